"""The app with an engine that has no steps, presets or networks, and with `directions`: any engine will do."""

import av
import pytest
import torch
import toy_engine
from tiny_directions import make_tiny_directions

gradio = pytest.importorskip("gradio", reason="gradio (app extra) is absent")
from diffusionact import DiffusionActPipeline  # noqa: E402
from diffusionact.face.pose.editing import PoseEdit  # noqa: E402
from diffusionact.generation import Sampling  # noqa: E402
from diffusionact.generation.directions import DirectionsEngine  # noqa: E402
from diffusionact.video import open_frames  # noqa: E402
from diffusionact_app.animate_tab import AnimateTab  # noqa: E402
from diffusionact_app.context import make_context  # noqa: E402
from diffusionact_app.endpoints import DEFAULTS  # noqa: E402
from diffusionact_app.job_making import make_job  # noqa: E402
from diffusionact_app.page import build_page  # noqa: E402
from diffusionact_app.sessions import Sessions  # noqa: E402
from diffusionact_app.settings import Limits  # noqa: E402
from diffusionact_app.shared_model import SharedModel  # noqa: E402
from diffusionact_app.status import progress_html  # noqa: E402


@pytest.fixture
def context(tmp_path, monkeypatch):
    """The app's context around the toy, which is installed as packages are."""
    monkeypatch.syspath_prepend(toy_engine.install(tmp_path / "site"))
    pipeline = DiffusionActPipeline.from_pretrained(toy_engine.write_model_folder(tmp_path / "model"))
    return make_context(SharedModel(pipeline, "toy"), Limits(), Sessions(tmp_path / "results", 60))


def test_toy_engine_animates(context, source_file, driving_file, tmp_path):
    values = DEFAULTS | {"quality": context.model.default_quality, "frames": 3, "relative": True}
    job = make_job(context, values, source_file, open_frames(driving_file), tmp_path)
    reported = list(context.animate(job))
    assert reported[-1].stage == "done" and reported[-1].done == 3
    with av.open(str(reported[-1].side_by_side)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 3
    encoding = progress_html(reported[0])
    assert "Reading the source" in encoding and "step" not in encoding


def test_toy_engine_edits(context, source_file):
    plain = context.edit(source_file, "largest", PoseEdit(), context.model.sampling(None))
    tilted = context.edit(source_file, "largest", PoseEdit(roll=10.0), Sampling())
    shifts = [shift for shift in range(64) if torch.equal(torch.roll(plain.after, shift, -1), tilted.after)]
    assert len(shifts) == 1 and abs(shifts[0] - 10) <= 1  # both rolls are rounded


def test_toy_engine_is_warmed_up_and_estimated_without_steps(context):
    context.model.warm_up()
    costs = context.model.costs
    assert context.model.encode_steps == 0
    assert context.model.estimate(10, Sampling()) == pytest.approx(10 * (costs.step + costs.reading))


def test_page_of_a_model_without_presets_hides_the_quality(context):
    build_page(context)
    with gradio.Blocks():
        quality = AnimateTab(context).controls["quality"]
    assert not quality.visible and quality.value is None
    assert context.model.sampling(quality.value) == Sampling()


def test_directions_animate_and_warm_up(source_file, driving_file, tmp_path):
    pipeline = DiffusionActPipeline(DirectionsEngine(make_tiny_directions()))
    context = make_context(SharedModel(pipeline, "directions"), Limits(), Sessions(tmp_path / "results", 60))
    context.model.warm_up()
    values = DEFAULTS | {"quality": context.model.default_quality, "frames": 2, "relative": False}
    job = make_job(context, values, source_file, open_frames(driving_file), tmp_path)
    assert list(context.animate(job))[-1].stage == "done"
