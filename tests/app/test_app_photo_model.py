"""The app's shared model around the bundled model photo, which has no presets and no steps of encoding."""

import pytest

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
from diffusionact import DiffusionActPipeline, PoseOptions  # noqa: E402
from diffusionact.face.pose.editing import PoseEdit  # noqa: E402
from diffusionact.video import open_frames  # noqa: E402
from diffusionact_app.animation import AnimateJob, animate  # noqa: E402
from diffusionact_app.examples import EXAMPLES  # noqa: E402
from diffusionact_app.previews import MIN_CLIP_FRAMES, Previews  # noqa: E402
from diffusionact_app.shared_model import SharedModel  # noqa: E402


@pytest.fixture(scope="module")
def model():
    return SharedModel(DiffusionActPipeline.from_pretrained("photo"), "photo")


def test_there_is_no_quality_to_choose(model):
    assert model.default_quality is None and model.encode_steps == 0
    assert model.estimate(100, model.sampling(None)) > 0


def test_a_photo_is_animated_at_its_size(model, tmp_path):
    example = EXAMPLES[0]
    job = AnimateJob(
        example.source,
        open_frames(example.driving),
        tmp_path,
        options=PoseOptions(),
        sampling=model.sampling(None),
        frames=3,
    )
    *_, last = animate(model, job)
    assert last.stage == "done" and last.done == 3
    side, full = next(iter(open_frames(last.side_by_side))), next(iter(open_frames(last.full_frame)))
    assert side.shape == (512, 3 * 512, 3) and full.shape == (512, 512, 3)


def test_sliders_move_a_photo(model):
    edited = model.edit(EXAMPLES[0].source, "largest", PoseEdit(yaw=15.0), model.sampling(None))
    assert edited.after.shape == (1, 3, 512, 512)
    assert (edited.after - edited.before).abs().mean() > 0.02


def test_a_preview_takes_the_codes_that_the_model_renders(model):
    previews = Previews(model, size=192)
    source = previews.source(EXAMPLES[0].source)
    assert model.is_encoded(EXAMPLES[0].source)
    assert source.codes["warp.texture"] is model.encode(EXAMPLES[0].source).codes["warp.texture"]
    edited = previews.edited(source, PoseEdit(yaw=15.0))
    assert edited.before.shape == edited.after.shape == (1, 3, 192, 192)
    assert (edited.after - edited.before).abs().mean() > 0.02


@pytest.mark.slow
def test_a_clip_is_previewed_small_at_the_drivers_speed(model, tmp_path):
    example = EXAMPLES[0]
    job = AnimateJob(example.source, open_frames(example.driving), tmp_path, options=PoseOptions())
    clip = open_frames(Previews(model, size=192).write_clip(job))
    frames = list(clip)
    assert len(frames) >= MIN_CLIP_FRAMES and frames[0].shape == (192, 3 * 192, 3)
    assert clip.frame_rate == job.driving.frame_rate / 2
    result = frames[0][:, 2 * 192 :].float(), frames[-1][:, 2 * 192 :].float()
    assert (result[0] - result[1]).abs().mean() > 1
