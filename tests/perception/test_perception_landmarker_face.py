"""The face landmarker as a differentiable network: it sees what the tracker sees, and has gradients."""

import pytest
import torch

from diffusionact.images import uint8_to_model
from diffusionact.perception.landmarker_face import LandmarkerFace, face_regions


@pytest.fixture(scope="module")
def face() -> LandmarkerFace:
    return LandmarkerFace()


def test_it_sees_what_the_tracker_sees(face, demo_observation):
    frame, seen = demo_observation
    ours = face(uint8_to_model(frame[None]), seen.landmarks)
    extent = (seen.landmarks.amax(1) - seen.landmarks.amin(1)).mean()
    assert (ours.landmarks - seen.landmarks).norm(dim=-1).mean() < 0.006 * extent
    assert (ours.head_pose - seen.head_pose).abs().max() < 1.0
    assert (ours.gaze - seen.gaze).abs().max() < 0.08
    assert (ours.expression - seen.expression).abs().max() < 0.15
    assert ours.found.all()


def test_a_misplaced_crop_changes_little(face, demo_observation):
    frame, seen = demo_observation
    extent = (seen.landmarks.amax(1) - seen.landmarks.amin(1)).mean()
    ours = face(uint8_to_model(frame[None]), seen.landmarks + 0.05 * extent)
    assert (ours.landmarks - seen.landmarks).norm(dim=-1).mean() < 0.02 * extent


@pytest.mark.parametrize("name", ["landmarks", "head_pose", "gaze", "expression"])
def test_every_value_has_a_gradient_in_the_image(face, demo_observation, name):
    frame, seen = demo_observation
    image = uint8_to_model(frame[None]).requires_grad_(True)
    getattr(face(image, seen.landmarks), name).sum().backward()
    assert image.grad.isfinite().all()
    assert image.grad.abs().sum() > 0


def test_half_precision_around_it_changes_nothing(face, demo_observation):
    frame, seen = demo_observation
    exact = face(uint8_to_model(frame[None]), seen.landmarks)
    with torch.autocast("cpu", torch.bfloat16):
        same = face(uint8_to_model(frame[None]), seen.landmarks)
    torch.testing.assert_close(same.landmarks, exact.landmarks)


def test_regions_turn_with_the_head(demo_observation):
    landmarks = demo_observation[1].landmarks
    turn = torch.tensor(0.3)
    matrix = torch.stack([torch.stack([turn.cos(), -turn.sin()]), torch.stack([turn.sin(), turn.cos()])])
    upright, turned = face_regions(landmarks), face_regions(landmarks @ matrix.T)
    torch.testing.assert_close(turned.angle, upright.angle + turn)
    torch.testing.assert_close(turned.side, upright.side)
    torch.testing.assert_close(turned.centre, upright.centre @ matrix.T, atol=1e-3, rtol=1e-4)
