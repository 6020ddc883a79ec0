"""Gaze: the official placement of pupils, its inverse, and closed eyes."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from diffusionact.face.geometry.gaze import MAX_GAZE_RAD, gaze_from_pupils, pupils_from_gaze
from diffusionact.face.geometry.ibug68 import LEFT_EYE, RIGHT_EYE


def face_with_eyes(right_height: float = 8.0, left_height: float = 8.0) -> torch.Tensor:
    """(1, 68, 2): two eyes of 24 px width at (90, 100) and (160, 100); the other points do not matter."""
    landmarks = torch.zeros(1, 68, 2)
    outline = torch.tensor([[-12.0, 0], [-4, -0.5], [4, -0.5], [12, 0], [4, 0.5], [-4, 0.5]])
    for eye, x, height in ((RIGHT_EYE, 90.0, right_height), (LEFT_EYE, 160.0, left_height)):
        landmarks[0, list(eye)] = outline * torch.tensor([1.0, height]) + torch.tensor([x, 100.0])
    return landmarks


def test_pupils_agree_with_the_official_code(golden_dir: Path):
    golden = {name: torch.from_numpy(array) for name, array in np.load(golden_dir / "gaze.npz").items()}
    pupils = pupils_from_gaze(golden["landmarks_3dmm"], golden["pitch_yaw"])
    assert torch.allclose(pupils[:, 0], golden["left"], atol=1e-4)  # official "left" is points 36 to 41
    assert torch.allclose(pupils[:, 1], golden["right"], atol=1e-4)


def test_pupils_follow_the_signs_of_equation_9():
    straight = pupils_from_gaze(face_with_eyes(), torch.zeros(1, 2))
    assert torch.allclose(straight, torch.tensor([[[90.0, 100], [160, 100]]]))
    up = pupils_from_gaze(face_with_eyes(), torch.tensor([[math.pi / 2, 0.0]]))
    assert torch.allclose(up - straight, torch.tensor([0.0, -4.0]).expand(1, 2, 2), atol=1e-5)
    image_left = pupils_from_gaze(face_with_eyes(), torch.tensor([[0.0, math.pi / 6]]))
    assert torch.allclose(image_left - straight, torch.tensor([-6.0, 0.0]).expand(1, 2, 2), atol=1e-5)


@pytest.mark.parametrize("heights", [(8.0, 8.0), (6.0, 9.0), (4.0, 8.0)])
def test_gaze_comes_back_from_the_pupils(heights):
    angles = torch.tensor([-0.9, -0.4, 0.0, 0.3, 0.8])
    gaze = torch.cartesian_prod(angles, angles)
    landmarks = face_with_eyes(*heights).expand(len(gaze), -1, -1)
    assert torch.allclose(gaze_from_pupils(landmarks, pupils_from_gaze(landmarks, gaze)), gaze, atol=1e-4)


def test_a_closed_eye_leaves_the_gaze_to_the_open_one():
    landmarks = face_with_eyes(right_height=0.0)
    pupils = pupils_from_gaze(landmarks, torch.tensor([[0.2, -0.3]]))
    pupils[0, 0] += torch.tensor([9.0, 5.0])  # the iris guessed behind the closed lid
    assert torch.allclose(gaze_from_pupils(landmarks, pupils), torch.tensor([[0.2, -0.3]]), atol=0.01)


def test_far_off_pupils_are_clamped_and_closed_eyes_stay_finite():
    landmarks = face_with_eyes(0.0, 0.0)
    gaze = gaze_from_pupils(landmarks, torch.full((1, 2, 2), 500.0))
    assert torch.isfinite(gaze).all() and gaze.abs().max() <= MAX_GAZE_RAD + 1e-6
    nothing = torch.zeros(1, 68, 2)
    assert torch.isfinite(gaze_from_pupils(nothing, torch.zeros(1, 2, 2))).all()
