"""One photo, moved by one camera."""

import pytest
import torch

from diffusionact.face.pose.editing import source_pose
from diffusionact.live import LiveOptions, LiveReenactment, live_pipeline


@pytest.fixture
def live(pipeline, source):
    return LiveReenactment(pipeline, source)


def own_image(pipeline, source):
    pose = source_pose(pipeline.face_reader.face_model, source)
    return pipeline.decode(source, pipeline.reenact(source, pose))


def distance(first, second):
    return (first - second).abs().mean().item()


def test_a_photo_moves_with_the_camera(live, faces):
    first, second = (live.step(frame, at) for at, frame in enumerate(faces))
    assert first.image.shape == (1, 3, 256, 256) and first.found and second.found
    assert first.image.abs().max() <= 1.0
    assert distance(first.image, second.image) > 0.01
    assert first.track_seconds > 0 and first.render_seconds > 0 and second.captured_at == 1


def test_calibration_makes_the_neutral_photo_still(live, pipeline, source, faces):
    own = own_image(pipeline, source)
    before = live.step(faces[1], 0.0)
    live.calibrate()
    neutral = live.step(faces[1], 0.1)
    moved = live.step(faces[0], 0.2)
    assert not before.is_calibrated and neutral.is_calibrated
    assert distance(neutral.image, own) < 1e-4 < 0.01 < distance(before.image, own)
    assert distance(moved.image, own) > 0.005


def test_calibration_waits_for_a_face(live, faces, wall):
    live.calibrate()
    assert not live.step(wall, 0.0).is_calibrated
    assert live.step(faces[0], 0.1).is_calibrated


def test_without_a_face_the_last_image_is_held(live, pipeline, source, faces, wall):
    nobody = live.step(wall, 0.0)
    assert not nobody.found and distance(nobody.image, own_image(pipeline, source)) < 1e-4
    seen = live.step(faces[0], 0.1)
    held = live.step(wall, 0.2)
    assert not held.found and torch.equal(held.image, seen.image)
    assert live.step(faces[0], 0.3).found


def test_smoothing_lags_behind_and_catches_up(pipeline, source, faces):
    def turn(strength, frames):
        live = LiveReenactment(pipeline, source, LiveOptions(smoothing=strength))
        return [live.track(frame, 0.1 * index).pose.head_pose[0] for index, frame in enumerate(frames)]

    frames = [faces[0], *[faces[1]] * 12]
    raw, smooth = turn(0.0, frames), turn(0.6, frames)
    way = (raw[1] - raw[0]).norm()
    assert (smooth[1] - raw[1]).norm() > 0.1 * way
    assert (smooth[-1] - raw[-1]).norm() < 0.2 * way


def test_following_sees_what_a_fresh_look_sees(pipeline, faces):
    follower = pipeline.face_reader.make_follower()
    for frame in (faces[0], faces[0], faces[1], faces[1]):  # a jump, after which it must look again
        face = follower(frame, 0.1)
    fresh = pipeline.face_reader.make_follower()(faces[1], 0.1)
    apart = torch.rad2deg((face.coefficients.rotation - fresh.coefficients.rotation).abs().max())
    assert apart < 4.0
    apart = (face.observation.expression - fresh.observation.expression).abs()
    assert apart.mean() < 0.02 and apart.max() < 0.3


def test_a_reader_without_a_follower_reads_frame_by_frame(pipeline, source, faces, wall):
    from toy_face_reader import ToyFaceReader

    from diffusionact.face.readers.following import make_follower

    follower = make_follower(ToyFaceReader())
    assert follower(faces[0], 0.1) is not None


def test_sizes_are_those_of_the_list(pipeline, source, faces):
    with pytest.raises(ValueError, match="Expected size to be one of '256', '384', '512', received '300'"):
        live_pipeline(pipeline, 300)
    live = LiveReenactment(live_pipeline(pipeline, 384), source)
    assert live.step(faces[0], 0.0).image.shape[-1] == 384


def test_an_engine_of_one_size_keeps_it(tiny_components):
    from diffusionact import DiffusionActPipeline

    pipeline = DiffusionActPipeline(tiny_components)
    assert live_pipeline(pipeline, 256) is pipeline


def test_what_is_no_frame_is_rejected(live):
    with pytest.raises(ValueError, match="Expected camera frame as frames"):
        live.step(torch.zeros(8, 8, 3), 0.0)
