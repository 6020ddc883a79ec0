"""Rules for every handler of the page, and for jobs that go to another process."""

import inspect
import multiprocessing
import shutil
import zipfile
from dataclasses import replace

import pytest
import torch

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
from diffusionact import DiffusionActPipeline  # noqa: E402
from diffusionact.face.pose.editing import PoseEdit  # noqa: E402
from diffusionact.generation import Sampling  # noqa: E402
from diffusionact.pipelines.preview import PREVIEW_SIZE  # noqa: E402
from diffusionact.video import open_frames  # noqa: E402
from diffusionact_app.context import make_context  # noqa: E402
from diffusionact_app.endpoints import DEFAULTS  # noqa: E402
from diffusionact_app.examples import EXAMPLES  # noqa: E402
from diffusionact_app.job_making import make_job  # noqa: E402
from diffusionact_app.page import build_page  # noqa: E402
from diffusionact_app.sessions import Sessions  # noqa: E402
from diffusionact_app.settings import Limits  # noqa: E402
from diffusionact_app.shared_model import SharedModel  # noqa: E402
from diffusionact_app.zero_gpu import duration, on_gpu  # noqa: E402


@pytest.fixture(scope="module")
def context(tiny_model_folder, tmp_path_factory):
    model = SharedModel(DiffusionActPipeline.from_pretrained(tiny_model_folder))
    return make_context(model, Limits(), Sessions(tmp_path_factory.mktemp("results"), 60))


@pytest.fixture(scope="module")
def page(context):
    return build_page(context)


def test_no_handler_takes_more_than_eight_values(page):
    handlers = [function for function in page.fns.values() if function.fn is not None]  # others run in the browser
    assert len(handlers) > 20
    for function in handlers:
        given = 1 if function.inputs_as_dict else len(function.inputs)
        assert given <= 8, function.name
        assert len(inspect.signature(function.fn).parameters) <= 9, function.name  # with the request or event


def test_every_handler_explains_its_errors(page):
    told = [function.fn for function in page.fns.values() if function.inputs and function.fn is not None]
    assert told and all(hasattr(handler, "__wrapped__") for handler in told)


def test_options_of_the_api_are_those_the_page_begins_with(page, context):
    import gradio

    from diffusionact_app.animate_tab import AnimateTab

    with gradio.Blocks():
        tab = AnimateTab(context)
    begun = {name: tab.controls[name].value for name in DEFAULTS}
    assert begun == DEFAULTS
    assert set(DEFAULTS) | {"source", "driving", "quality", "frames", "relative", "output"} == set(
        tab.controls.values({component: None for component in tab.controls.all()})
    )


def test_qualities_are_the_presets_of_the_model(context):
    import gradio

    from diffusionact_app.controls import Controls, quality_choice

    controls, presets = Controls(), context.model.pipeline.presets
    with gradio.Blocks():
        quality_choice(controls, context.model)
    assert [value for _, value in controls["quality"].choices] == list(presets)
    assert controls["quality"].value in presets and controls["quality"].visible
    assert [context.model.sampling(name) for name in presets] == list(presets.values())
    with pytest.raises(ValueError, match="Expected a quality among fast, balanced, paper, received 'best'"):
        context.model.sampling("best")


def test_a_model_that_is_no_warp_is_previewed_without_encoding(context, source_file):
    source = context.previews.source(source_file)
    edited = context.previews.edited(source, PoseEdit(yaw=20.0))
    assert edited.after.shape == (1, 3, PREVIEW_SIZE, PREVIEW_SIZE)
    assert not context.model.is_encoded(source_file)


def test_frames_beyond_the_limit_are_not_rendered(context, driving_file, source_file, tmp_path):
    values = DEFAULTS | {"quality": "fast", "frames": 10**6, "relative": False}
    job = make_job(context, values, source_file, open_frames(driving_file), tmp_path)
    assert job.frames == Limits().frames and job.total == 100


def sent(value):
    """What arrives at another process."""
    here, there = multiprocessing.Pipe()
    here.send(value)
    return there.recv()


def test_jobs_and_progress_can_be_sent_to_the_process_with_the_gpu(context, driving_file, source_file, tmp_path):
    job = make_job(
        context,
        DEFAULTS | {"quality": "fast", "frames": 2, "relative": False},
        source_file,
        open_frames(driving_file),
        tmp_path,
    )
    assert sent(job) == job
    for progress in context.animate(job):
        assert sent(progress).stage == progress.stage
    edited = context.edit(source_file, "largest", PoseEdit(), Sampling(2, "dpm"))
    assert torch.equal(sent(edited).after, edited.after)


def test_batch_keeps_what_was_made_before_an_unforeseen_error(
    context, source_file, driving_file, tmp_path, monkeypatch
):
    import gradio

    from diffusionact_app.batch_tab import BatchTab

    def rendered(job):
        if job.source.name == "second.png":
            raise RuntimeError("a driver of the machine")
        yield from context.animate(job)

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))  # the button keeps a copy there
    second = shutil.copy(source_file, tmp_path / "second.png")
    with gradio.Blocks():
        tab = BatchTab(replace(context, animate=rendered))
    data = {component: component.value for component in tab.controls.all()}
    data |= {tab.controls["frames"]: 2, tab.controls["driving"]: str(driving_file)}
    data[tab.controls["sources"]] = [str(source_file), second]
    *_, last = tab._run(data, gradio.Request(session_hash="me"))
    assert "second.png" in last[tab.report] and "a driver of the machine" not in last[tab.report]
    assert "1 of the sources" in last[tab.status]
    with zipfile.ZipFile(last[tab.save].value["path"]) as kept:
        assert len(kept.namelist()) == 2


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_example_has_its_files(example):
    for path in (example.source, example.driving, example.side_by_side, example.full_frame):
        assert path.stat().st_size > 1000


def test_gpu_time_grows_with_frames_and_steps_up_to_a_limit():
    assert duration(100, 20, 50) > duration(100, 10, 50) > duration(10, 10, 50) > duration(1, 1, 0) >= 15
    assert duration(10**6, 20, 50) == 240


def test_decorator_does_nothing_without_zero_gpu():
    def handler():
        return 1

    assert on_gpu(lambda: 60)(handler) is handler


def test_live_says_so_where_every_call_waits_for_a_lent_gpu(context):
    import gradio

    from diffusionact_app.live_tab import ON_A_LEASE, LiveTab

    with gradio.Blocks() as page:
        LiveTab(context, is_lent=True)
    assert [block.value for block in page.blocks.values() if hasattr(block, "value")] == [ON_A_LEASE.strip()]
    assert not page.fns
