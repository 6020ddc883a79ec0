"""Rotations: sign convention, round trips, gradients at the awkward places."""

import math

import pytest
import torch

from diffusionact.face.geometry.rotations import (
    axis_angle_to_matrix,
    head_pose_to_matrix,
    matrix_to_axis_angle,
    matrix_to_head_pose,
)

NOSE = torch.tensor([0.0, 0.0, 1.0])
EAR = torch.tensor([1.0, 0.0, 0.0])


def pose(yaw: float, pitch: float, roll: float) -> torch.Tensor:
    return torch.tensor([[yaw, pitch, roll]])


def test_positive_yaw_turns_the_nose_to_the_images_right():
    assert torch.allclose(head_pose_to_matrix(pose(90, 0, 0))[0] @ NOSE, torch.tensor([1.0, 0, 0]), atol=1e-6)


def test_positive_pitch_points_the_nose_down():
    assert torch.allclose(head_pose_to_matrix(pose(0, 90, 0))[0] @ NOSE, torch.tensor([0, -1.0, 0]), atol=1e-6)


def test_positive_roll_lifts_the_images_right_side():
    assert torch.allclose(head_pose_to_matrix(pose(0, 0, 90))[0] @ EAR, torch.tensor([0, 1.0, 0]), atol=1e-6)


def test_head_pose_comes_back_in_degrees():
    poses = (torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) - 0.5) * torch.tensor([340.0, 175.0, 340.0])
    assert torch.allclose(matrix_to_head_pose(head_pose_to_matrix(poses)), poses, atol=1e-2)


@pytest.mark.parametrize("pitch", [90.0, -90.0])
def test_gimbal_lock_keeps_the_rotation_and_sets_roll_to_zero(pitch):
    matrix = head_pose_to_matrix(pose(30, pitch, 20).double())
    angles = matrix_to_head_pose(matrix)
    assert angles[0, 2] == 0
    assert torch.allclose(head_pose_to_matrix(angles), matrix, atol=1e-6)


@pytest.mark.parametrize("angle", [0.0, 1e-8, 1e-4, 1e-3, 1.0, 3.0, math.pi - 1e-3])
def test_axis_angle_comes_back(angle):
    axis = torch.nn.functional.normalize(torch.tensor([[0.3, -0.5, 0.8], [-1.0, 0, 0], [0, 0, 1]]), dim=1)
    vectors = axis * angle
    assert torch.allclose(matrix_to_axis_angle(axis_angle_to_matrix(vectors)), vectors, atol=2e-5)


def test_half_turn_comes_back_up_to_the_sign_of_its_axis():
    vectors = torch.eye(3, dtype=torch.float64) * math.pi
    back = matrix_to_axis_angle(axis_angle_to_matrix(vectors))
    assert torch.allclose(back.abs(), vectors, atol=1e-6)


def test_axis_angle_and_head_pose_agree_about_each_axis():
    angles = matrix_to_head_pose(axis_angle_to_matrix(torch.deg2rad(torch.eye(3) * 40.0)))
    assert torch.allclose(angles, torch.tensor([[0, 40.0, 0], [40.0, 0, 0], [0, 0, 40.0]]), atol=1e-4)


@pytest.mark.parametrize("vector", [(0.0, 0.0, 0.0), (1e-5, 0.0, 0.0), (math.pi / 2, 0.0, 0.0), (0.1, 0.7, -0.3)])
def test_gradients_are_finite_at_rest_and_at_gimbal_lock(vector):
    axis_angle = torch.tensor([vector], requires_grad=True)
    matrix = axis_angle_to_matrix(axis_angle)
    (matrix_to_head_pose(matrix).sum() + matrix_to_axis_angle(matrix).sum()).backward()
    assert torch.isfinite(axis_angle.grad).all()
