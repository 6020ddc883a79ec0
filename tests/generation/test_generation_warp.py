"""The engine that warps the photo, as the bundled model "photo"."""

from dataclasses import replace

import pytest
import torch

from diffusionact import DiffusionActPipeline, PoseOptions
from diffusionact.data.saved_values import load_value, save_value
from diffusionact.face.pose.editing import PoseEdit, edit_pose, source_pose
from diffusionact.face.readers.open.landmarker import FaceLandmarker
from diffusionact.generation.warp import WarpConfig, WarpEngine
from diffusionact.images import model_to_uint8
from diffusionact.metrics import psnr
from diffusionact.types import SourceCodes

STILL = PoseOptions(smoothing=0.0)


@pytest.fixture(scope="module")
def pipeline():
    return DiffusionActPipeline(WarpEngine(WarpConfig(sample_size=256)))


@pytest.fixture(scope="module")
def source(pipeline, portrait):
    return pipeline.encode_source(portrait)


def posed(pipeline, source, **sliders):
    """The source with sliders moved."""
    model = pipeline.face_reader.face_model
    pose = edit_pose(model, source_pose(model, source), PoseEdit(**sliders))
    return pipeline.decode(source, pipeline.reenact(source, pose))


def faces_of(frame):
    with torch.no_grad():
        return FaceLandmarker()(model_to_uint8(frame))[0]


def test_photo_is_a_bundled_model():
    pipeline = DiffusionActPipeline.from_pretrained("photo")
    assert pipeline.engine.name == "warp" and pipeline.sample_size == 512 and pipeline.engine.modules == ()


def test_own_pose_gives_the_photo_back(pipeline, source):
    # The lids, the lips and the rim of the head are drawn, not copied.
    assert float(psnr(posed(pipeline, source), source.image)) > 30


def test_yaw_turns_the_head_and_keeps_it_sharp(pipeline, source):
    still, turned = posed(pipeline, source), posed(pipeline, source, yaw=15.0)
    nose = [faces_of(frame).points[0, 1, 0] for frame in (still, turned)]
    assert abs(float(nose[1] - nose[0])) > 5

    def sharpness(frame):
        return (frame[..., 1:] - frame[..., :-1]).abs().mean()

    assert sharpness(turned) > 0.85 * sharpness(still)


def test_a_blink_closes_the_eyes(pipeline, source):
    names = slice(9, 11)  # eyeBlinkLeft, eyeBlinkRight in MediaPipe's order
    open_eyes, shut = posed(pipeline, source), posed(pipeline, source, eyes=-1.0)
    assert faces_of(shut).blendshapes[0, names].mean() > faces_of(open_eyes).blendshapes[0, names].mean() + 0.2


def test_landmarks_that_were_seen_are_followed(pipeline, source):
    pose = source_pose(pipeline.face_reader.face_model, source)
    moved = pose.landmarks.clone()
    moved[:, 17:27, 1] -= 4.0  # both brows
    drawn, seen = (pipeline.reenact(source, each) for each in (pose, replace(pose, landmarks=moved)))
    assert not drawn["seen"].any() and seen["seen"].all()
    brows = [faces_of(pipeline.decode(source, each)).points[0, [105, 334], 1].mean() for each in (drawn, seen)]
    assert 2.0 < brows[0] - brows[1] < 6.0


def test_frames_do_not_depend_on_the_chunk_size(pipeline, source, portrait):
    frames = torch.stack([torch.roll(portrait, 4 * index, dims=1) for index in range(3)])
    one, three = (
        torch.cat([frame.image for frame in pipeline.stream(source, frames, STILL, chunk_size=size)]) for size in (1, 3)
    )
    assert torch.equal(one, three)


def test_a_saved_source_renders_the_same(pipeline, source, tmp_path):
    path = tmp_path / "source.safetensors"
    save_value(source, path, pipeline.fingerprint)
    loaded = load_value(path, SourceCodes, pipeline.fingerprint)
    assert torch.equal(posed(pipeline, loaded, yaw=5.0), posed(pipeline, source, yaw=5.0))


def test_sources_take_turns_without_mixing(pipeline, source, portrait):
    other = pipeline.encode_source(portrait.flip(1))
    first = posed(pipeline, source)
    assert not torch.equal(posed(pipeline, other), first)
    assert torch.equal(posed(pipeline, source), first)


def test_coefficients_of_another_face_model_are_rejected(pipeline, source):
    pose = source_pose(pipeline.face_reader.face_model, source)
    other = replace(pose, coefficients=replace(pose.coefficients, face_model="flame"))
    with pytest.raises(ValueError, match=r"face model 'open' .*received 'flame'"):
        pipeline.reenact(source, other)


def test_a_saved_model_loads(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "model")
    assert DiffusionActPipeline.from_pretrained(tmp_path / "model").sample_size == 256
