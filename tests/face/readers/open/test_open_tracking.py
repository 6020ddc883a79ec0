"""The open face reader on real faces: found at any turn and size, the chosen one among several."""

import pytest
import torch

from diffusionact.face.readers.open.tracking import OpenFaceTracker
from diffusionact.images import model_to_uint8, resize, uint8_to_model


@pytest.fixture(scope="module")
def tracker():
    return OpenFaceTracker()


@pytest.fixture(scope="module")
def seen(tracker, portrait):
    return tracker.observe(portrait[None])


def scaled(frame, factor):
    size = (round(frame.shape[0] * factor), round(frame.shape[1] * factor))
    return model_to_uint8(resize(uint8_to_model(frame[None]), size))[0]


def pasted(frame, height, width, top, left):
    canvas = torch.full((height, width, 3), 90, dtype=torch.uint8)
    canvas[top : top + frame.shape[0], left : left + frame.shape[1]] = frame
    return canvas


def face_width(observation):
    return (observation.landmarks[0, 16, 0] - observation.landmarks[0, 0, 0]).abs().item()


def test_a_portrait_gives_one_row_with_every_value_in_its_range(seen):
    assert seen.landmarks.shape == (1, 68, 2)
    assert seen.found.all()
    assert 0.5 < seen.confidence.item() <= 1
    assert (seen.expression >= 0).all() and (seen.expression <= 1).all()
    assert seen.head_pose.abs().max() < 15


def test_landmarks_follow_the_ibug_order(seen):
    points = seen.landmarks[0]
    assert (points[:16, 0] < points[1:17, 0]).all(), "contour runs from image left to image right"
    assert points[:, 1].argmax() == 8, "the chin is the lowest point"
    assert points[36, 0] < points[39, 0] < points[42, 0] < points[45, 0]
    assert points[27, 1] < points[30, 1] < points[33, 1] < points[51, 1] < points[57, 1]
    assert (points[[37, 38, 43, 44], 1] < points[[41, 40, 47, 46], 1]).all(), "upper lids lie above lower lids"


def test_pupils_lie_in_their_eyes_right_eye_first(seen):
    for pupil, corners in zip(seen.pupils[0], ((36, 39), (42, 45)), strict=True):
        assert seen.landmarks[0, corners[0], 0] < pupil[0] < seen.landmarks[0, corners[1], 0]


def test_smiling_portrait_reads_as_a_smile(seen):
    from diffusionact.face.expression_names import EXPRESSION_NAMES

    assert seen.expression[0, EXPRESSION_NAMES.index("mouthSmileLeft")] > 0.5
    assert seen.expression[0, EXPRESSION_NAMES.index("_neutral")] < 0.01


@pytest.mark.parametrize("quarters, roll", [(1, 90.0), (-1, -90.0), (2, 180.0)])
def test_face_lying_on_its_side_is_found_with_turned_landmarks(quarters, roll, tracker, portrait, seen):
    turned = tracker.observe(torch.rot90(portrait, quarters, (0, 1))[None])
    points, size = seen.landmarks[0], portrait.shape[0] - 1
    x, y = points.unbind(-1)
    expected = {1: (y, size - x), -1: (size - y, x), 2: (size - x, size - y)}[quarters]
    distance = (turned.landmarks[0] - torch.stack(expected, dim=-1)).norm(dim=-1).mean()
    assert distance < 0.03 * face_width(seen)
    difference = (turned.head_pose - seen.head_pose)[0, 2].item() - roll
    assert abs((difference + 180) % 360 - 180) < 10


def test_mirrored_face_turns_and_looks_the_other_way(tracker, portrait, seen):
    mirrored = tracker.observe(portrait.flip(1)[None])
    yaw, pitch, roll = (mirrored.head_pose - seen.head_pose * torch.tensor([-1, 1, -1]))[0].abs().tolist()
    assert max(yaw, pitch, roll) < 4
    assert mirrored.gaze[0, 1].item() == pytest.approx(-seen.gaze[0, 1].item(), abs=0.15)


def test_enlarging_to_4k_scales_the_landmarks(tracker, portrait, seen):
    factor = 2160 / portrait.shape[0]
    large = tracker.observe(scaled(portrait, factor)[None])
    distance = ((large.landmarks + 0.5) / factor - 0.5 - seen.landmarks).norm(dim=-1).mean()
    assert distance < 0.02 * face_width(seen)


def test_face_of_a_twentieth_of_a_4k_image_is_found(tracker, portrait, seen):
    factor = 0.05 * 3840 / face_width(seen)
    small = scaled(portrait, factor)
    frame = pasted(small, 2160, 3840, 1500, 2900)
    found = tracker.observe(frame[None])
    expected = (seen.landmarks + 0.5) * factor - 0.5 + torch.tensor([2900.0, 1500.0])
    assert (found.landmarks - expected).norm(dim=-1).mean() < 0.05 * 0.05 * 3840


def test_face_cut_by_the_border_is_found(tracker, portrait, seen):
    cut = int(seen.landmarks[0, 30, 0]) + 40
    found = tracker.observe(portrait[None, :, :cut])
    assert (found.landmarks[0, 36] - seen.landmarks[0, 36]).norm() < 0.1 * face_width(seen)


def test_index_and_largest_choose_by_size(tracker, portrait):
    pair = torch.cat([pasted(scaled(portrait, 0.7), 256, 256, 70, 30), portrait], dim=1)
    boxes = [face.box for face in tracker.detect(pair)]
    assert len(boxes) == 2
    assert boxes[0][0] > 256 > boxes[1][2]
    first, second = (OpenFaceTracker(index).observe(pair[None]).landmarks[0, 30, 0] for index in (0, 1))
    assert first > 256 > second
    torch.testing.assert_close(tracker.observe(pair[None]).landmarks[0, 30, 0], first)


def test_follow_stays_with_the_first_face_when_another_grows_larger(portrait):
    small, smaller = (pasted(scaled(portrait, factor), 256, 256, 60, 30) for factor in (0.75, 0.6))
    frames = torch.stack([torch.cat([small, smaller], dim=1), torch.cat([small, portrait], dim=1)])
    followed = OpenFaceTracker("follow").observe(frames)
    assert (followed.landmarks[:, 30, 0] < 256).all()
    assert OpenFaceTracker("largest").observe(frames).landmarks[1, 30, 0] > 256


@pytest.mark.parametrize(
    "frames",
    [
        torch.zeros(1, 64, 64, 1, dtype=torch.uint8),
        torch.zeros(64, 64, 3, dtype=torch.uint8),
        torch.zeros(1, 3, 64, 64),
    ],
)
def test_grey_single_or_float_frames_are_rejected(frames, tracker):
    with pytest.raises(ValueError, match=r"\(F, H, W, 3\) uint8"):
        tracker.observe(frames)


@pytest.mark.parametrize(
    "options", [{"face": "second"}, {"face": -1}, {"missing": "skip"}, {"detection_threshold": 2.0}]
)
def test_options_that_do_not_exist_are_rejected(options):
    with pytest.raises(ValueError, match="Expected"):
        OpenFaceTracker(**options)
