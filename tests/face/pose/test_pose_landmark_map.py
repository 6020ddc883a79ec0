"""Landmark maps: equal to OpenCV's drawing and to the official code's output."""

from pathlib import Path

import numpy as np
import pytest
import torch
from packaging.version import Version

from diffusionact.face.pose.landmark_map import PARTS, PUPIL_COLOURS, PUPIL_RADIUS, draw_landmark_map, landmark_map_at
from diffusionact.face.pose.line_pixels import segment_pixels
from diffusionact.images import model_to_uint8


def random_faces(count: int, seed: int, spread: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Clouds of points around places that may lie off a 256 px canvas, some points repeated."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-20, 276, (count, 1, 2))
    landmarks = centres + rng.normal(0, 1, (count, 68, 2)) * rng.uniform(1, spread, (count, 1, 1))
    landmarks[:, 5] = landmarks[:, 6]
    return torch.from_numpy(landmarks).float(), torch.from_numpy(landmarks[:, [36, 45]]).float()


def draw_with_opencv(landmarks: np.ndarray, pupils: np.ndarray, size: int) -> np.ndarray:
    cv2 = pytest.importorskip("cv2", reason="OpenCV (dev extra) is absent")
    if Version(cv2.__version__) >= Version("4.13"):
        pytest.skip(f"OpenCV before 4.13 is absent; {cv2.__version__} draws lines that leave the canvas in another way")
    canvas = np.ones((size, size, 3), np.uint8)
    points = landmarks.astype(np.int32)
    for indices, closed, colour in PARTS:
        cv2.polylines(canvas, [points[list(indices)]], closed, colour, thickness=2)
    for pupil, colour in zip(pupils.astype(np.int32), PUPIL_COLOURS, strict=True):
        cv2.circle(canvas, pupil.tolist(), PUPIL_RADIUS, colour, -1)
    return canvas


@pytest.mark.parametrize(("spread", "size"), [(12.0, 256), (80.0, 256), (200.0, 256), (40.0, 64)])
def test_drawing_equals_opencv_on_and_off_the_canvas(spread, size):
    landmarks, pupils = random_faces(25, int(spread), spread)
    landmarks, pupils = landmarks * size / 256, pupils * size / 256
    drawn = model_to_uint8(draw_landmark_map(landmarks, pupils, size)).numpy()
    for row in range(len(landmarks)):
        expected = draw_with_opencv(landmarks[row].numpy(), pupils[row].numpy(), size)
        assert np.array_equal(drawn[row], expected), f"face {row}"


def test_every_short_segment_equals_opencv():
    cv2 = pytest.importorskip("cv2", reason="OpenCV (dev extra) is absent")
    for dx in range(-17, 18, 2):
        for dy in range(-17, 18):
            expected, drawn = np.zeros((48, 48), np.uint8), np.zeros((48, 48), np.uint8)
            cv2.line(expected, (23, 24), (23 + dx, 24 + dy), 1, 2)
            pixels = segment_pixels((23, 24), (23 + dx, 24 + dy), 48)
            drawn[pixels[:, 1], pixels[:, 0]] = 1
            assert np.array_equal(drawn, expected), (dx, dy)


def test_drawing_equals_the_official_code(golden_dir: Path, compare):
    golden = np.load(golden_dir / "stickman.npz")
    landmarks = torch.from_numpy(golden["landmarks"])
    pupils = torch.from_numpy(np.stack([golden["left_eye"], golden["right_eye"]], axis=1))  # official names
    with_pupils = model_to_uint8(draw_landmark_map(landmarks, pupils, 256)).permute(0, 3, 1, 2)
    without = model_to_uint8(draw_landmark_map(landmarks, None, 256)).permute(0, 3, 1, 2)
    compare("landmark map with pupils, levels", with_pupils, golden["with_gaze_u8"], 0)
    compare("landmark map without pupils, levels", without, golden["no_gaze_u8"], 0)


def test_background_is_level_one_and_values_stay_in_range():
    drawn = draw_landmark_map(torch.full((1, 68, 2), -1e9), None, 32)
    assert drawn.shape == (1, 3, 32, 32) and drawn.dtype == torch.float32
    assert torch.equal(drawn, torch.full_like(drawn, 1 / 127.5 - 1))


def test_a_batch_equals_its_faces_one_by_one():
    landmarks, pupils = random_faces(4, 3, 60.0)
    singles = [draw_landmark_map(landmarks[row : row + 1], pupils[row : row + 1], 256) for row in range(4)]
    assert torch.equal(draw_landmark_map(landmarks, pupils, 256), torch.cat(singles))


def test_a_map_at_canvas_size_is_the_map_itself():
    landmarks, pupils = random_faces(3, 5, 60.0)
    assert torch.equal(landmark_map_at(landmarks, pupils, 256), draw_landmark_map(landmarks, pupils, 256))


def test_a_smaller_map_is_the_mean_of_the_canvas_and_keeps_places():
    landmarks, pupils = (points.round() + 0.25 for points in random_faces(3, 7, 60.0))
    at_canvas = draw_landmark_map(landmarks, pupils, 256)
    small = landmark_map_at((landmarks + 0.5) / 2 - 0.5, (pupils + 0.5) / 2 - 0.5, 128)
    assert torch.allclose(small, at_canvas.reshape(3, 3, 128, 2, 128, 2).mean((3, 5)), atol=1e-6)


def test_a_size_that_does_not_divide_the_canvas_is_rejected():
    with pytest.raises(ValueError, match="divides the canvas"):
        landmark_map_at(torch.zeros(1, 68, 2), None, 96)
