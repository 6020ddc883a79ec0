"""Rotations of the head: axis-angle, matrices and head pose, and the one sign convention all of them share.

The head frame is right-handed: x to the right of the image, y up, z toward the camera. A matrix turns column vectors,
and R = Ry(yaw) Rx(pitch) Rz(roll). +yaw turns the face to the image's right, +pitch makes it look down, +roll turns it
counter-clockwise in the image. Head pose is yaw, pitch, roll in degrees; axis-angle vectors are in radians.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Below this squared angle (radians) the series of sine and cosine are exact in float32.
SMALL_ANGLE_SQUARED = 1e-6


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Rotation matrices (B, 3, 3) of axis-angle vectors (B, 3), radians.

    Rodrigues: R = I + sin(a)/a K + (1 - cos(a))/a^2 K^2, with K the cross-product matrix and a the vector's length.
    Near zero the factors come from their series, so value and gradient are finite everywhere.
    """
    squared = axis_angle.square().sum(-1)[..., None, None]
    small = squared < SMALL_ANGLE_SQUARED
    angle = torch.where(small, torch.ones_like(squared), squared).sqrt()
    sine_factor = torch.where(small, 1.0 - squared / 6.0, angle.sin() / angle)
    cosine_factor = torch.where(small, 0.5 - squared / 24.0, (1.0 - angle.cos()) / angle.square())
    cross = _cross_matrix(axis_angle)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + sine_factor * cross + cosine_factor * (cross @ cross)


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Axis-angle vectors (B, 3), radians, length in [0, pi], of rotation matrices (B, 3, 3)."""
    quaternion = _matrix_to_quaternion(matrix)
    real, imaginary = quaternion[..., :1], quaternion[..., 1:]
    squared = imaginary.square().sum(-1, keepdim=True)
    small = squared < SMALL_ANGLE_SQUARED
    length = torch.where(small, torch.ones_like(squared), squared).sqrt()
    # Near zero: angle / sin(angle / 2) = 2 + |imaginary|^2 / 3.
    factor = torch.where(small, 2.0 + squared / 3.0, 2.0 * torch.atan2(length, real) / length)
    return factor * imaginary


def blend_rotations(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Axis-angle (B, 3) on the shortest way between two (B, 3); share 0 gives `first`, 1 `second`."""
    start, end = axis_angle_to_matrix(first), axis_angle_to_matrix(second)
    way = matrix_to_axis_angle(end @ start.transpose(1, 2))
    return matrix_to_axis_angle(axis_angle_to_matrix(share * way) @ start)


def head_pose_to_matrix(head_pose_deg: Tensor) -> Tensor:
    """Rotation matrices (B, 3, 3) of head poses (B, 3): yaw, pitch, roll in degrees."""
    yaw, pitch, roll = torch.deg2rad(head_pose_deg).unbind(-1)
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)
    about_y = _stack_rows([yaw.cos(), zero, yaw.sin()], [zero, one, zero], [-yaw.sin(), zero, yaw.cos()])
    about_x = _stack_rows([one, zero, zero], [zero, pitch.cos(), -pitch.sin()], [zero, pitch.sin(), pitch.cos()])
    about_z = _stack_rows([roll.cos(), -roll.sin(), zero], [roll.sin(), roll.cos(), zero], [zero, zero, one])
    return about_y @ about_x @ about_z


def matrix_to_head_pose(matrix: Tensor) -> Tensor:
    """Head poses (B, 3): yaw, pitch, roll in degrees, of rotation matrices (B, 3, 3).

    Pitch is in [-90, 90], yaw and roll in [-180, 180]. At a pitch of +-90 degrees only yaw and roll together are
    defined; roll is then 0 and yaw takes the whole turn.
    """
    cosine_squared = matrix[..., 1, 0].square() + matrix[..., 1, 1].square()
    locked = cosine_squared < SMALL_ANGLE_SQUARED
    cosine = torch.where(locked, torch.ones_like(cosine_squared), cosine_squared).sqrt()
    pitch = torch.atan2(-matrix[..., 1, 2], torch.where(locked, torch.zeros_like(cosine), cosine))
    yaw = _atan2_where(~locked, matrix[..., 0, 2], matrix[..., 2, 2])
    roll = _atan2_where(~locked, matrix[..., 1, 0], matrix[..., 1, 1])
    yaw_when_locked = _atan2_where(locked, -matrix[..., 2, 0], matrix[..., 0, 0])
    return torch.rad2deg(torch.stack([torch.where(locked, yaw_when_locked, yaw), pitch, roll], dim=-1))


def _atan2_where(valid: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """atan2(y, x) where `valid`, else 0; the gradient is finite in both cases."""
    return torch.atan2(torch.where(valid, y, torch.zeros_like(y)), torch.where(valid, x, torch.ones_like(x)))


def _cross_matrix(vector: Tensor) -> Tensor:
    """(B, 3, 3) with matrix @ u = vector x u."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return _stack_rows([zero, -z, y], [z, zero, -x], [-y, x, zero])


def _stack_rows(*rows: list[Tensor]) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def _matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """Unit quaternions (B, 4), real part first and not negative.

    4 q q^T is linear in the matrix; its row with the largest diagonal entry is never short, hence safe to normalise.
    """
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = matrix.flatten(-2).unbind(-1)
    outer = _stack_rows(
        [1 + m00 + m11 + m22, m21 - m12, m02 - m20, m10 - m01],
        [m21 - m12, 1 + m00 - m11 - m22, m01 + m10, m02 + m20],
        [m02 - m20, m01 + m10, 1 - m00 + m11 - m22, m12 + m21],
        [m10 - m01, m02 + m20, m12 + m21, 1 - m00 - m11 + m22],
    )
    largest = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None].expand(*outer.shape[:-2], 1, 4)
    row = outer.gather(-2, largest).squeeze(-2)
    quaternion = row / row.norm(dim=-1, keepdim=True)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
