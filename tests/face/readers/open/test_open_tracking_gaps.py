"""Frames without a face: the three policies, and streaming that equals observing."""

from dataclasses import fields

import pytest
import torch

from diffusionact.face.errors import NoFaceFoundError
from diffusionact.face.readers.missing import fill_missing_faces
from diffusionact.face.readers.open.tracking import OpenFaceTracker
from diffusionact.types import FaceObservation, concatenate


def observation(value: int, yaw: float = 0.0) -> FaceObservation:
    return FaceObservation(
        landmarks=torch.full((1, 68, 2), float(value)),
        pupils=torch.full((1, 2, 2), float(value)),
        head_pose=torch.tensor([[yaw, 0.0, 0.0]]),
        gaze=torch.full((1, 2), value / 100),
        expression=torch.full((1, 52), value / 100),
        confidence=torch.ones(1),
        found=torch.ones(1, dtype=torch.bool),
    )


def filled(rows, missing):
    return concatenate(list(fill_missing_faces(rows, missing, len(rows))))


@pytest.fixture(scope="module")
def clip(portrait):
    """Six frames of a moving portrait; the first, one in the middle and the last are black."""
    frames = torch.stack([portrait.roll(3 * step, 1) for step in range(6)])
    frames[[0, 3, 5]] = 0
    return frames


def test_interpolation_runs_on_a_line_and_the_ends_hold_the_nearest_face():
    result = filled([None, observation(10), None, None, observation(40), None], "interpolate")
    assert result.landmarks[:, 0, 0].tolist() == pytest.approx([10, 10, 20, 30, 40, 40])
    assert result.found.tolist() == [False, True, False, False, True, False]
    assert result.confidence.tolist() == [0, 1, 0, 0, 1, 0]


def test_interpolated_head_takes_the_short_way_round():
    result = filled([observation(0, 170.0), None, observation(0, -170.0)], "interpolate")
    assert abs(result.head_pose[1, 0].item()) == pytest.approx(180, abs=0.01)


def test_hold_repeats_the_last_face_and_the_first_before_it_came():
    result = filled([None, observation(10), None, observation(40), None], "hold")
    assert result.landmarks[:, 0, 0].tolist() == [10, 10, 10, 40, 40]


def test_hold_yields_at_once_and_interpolation_waits_for_the_next_face():
    pulled = []

    def rows():
        for row in (observation(10), None, None, observation(40)):
            pulled.append(row)
            yield row

    for missing, count in (("hold", 2), ("interpolate", 4)):
        pulled.clear()
        result = fill_missing_faces(rows(), missing)
        next(result), next(result)
        assert len(pulled) == count


def test_error_names_the_frame_and_the_length_of_the_clip():
    with pytest.raises(NoFaceFoundError, match="frame 2 of 3"):
        filled([observation(1), None, observation(1)], "error")


@pytest.mark.parametrize("missing", ["hold", "interpolate"])
def test_a_clip_without_any_face_is_an_error_in_every_policy(missing):
    with pytest.raises(NoFaceFoundError, match="any of the 2 driving frames"):
        filled([None, None], missing)


def test_an_image_without_a_face_is_called_an_image():
    with pytest.raises(NoFaceFoundError, match="in the image"):
        OpenFaceTracker(missing="error").observe(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))


@pytest.mark.parametrize("missing", ["hold", "interpolate"])
def test_streaming_equals_observing(missing, clip):
    tracker = OpenFaceTracker("follow", missing)
    together, streamed = tracker.observe(clip), concatenate(list(tracker.stream(iter(clip))))
    assert together.found.tolist() == [False, True, True, False, True, False]
    for field in fields(FaceObservation):
        one, other = getattr(together, field.name).float(), getattr(streamed, field.name).float()
        torch.testing.assert_close(one, other, atol=1e-2, rtol=0)


def test_tracked_gap_moves_with_the_face(clip):
    nose = OpenFaceTracker(missing="interpolate").observe(clip).landmarks[:, 30, 0]
    assert (nose[2:5] - nose[1:4]).tolist() == pytest.approx([3.0] * 3, abs=1.5)


def test_two_calls_of_one_object_know_nothing_of_each_other(portrait):
    tracker = OpenFaceTracker("follow")
    pair = torch.cat([portrait, portrait // 2 + 60], dim=1)
    before = tracker.observe(pair[None]).landmarks
    tracker.observe(pair.flip(1)[None])
    torch.testing.assert_close(tracker.observe(pair[None]).landmarks, before)
