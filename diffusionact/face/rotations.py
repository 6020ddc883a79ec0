"""Rotations of the head and their three forms: axis-angle, matrix, head pose.

Head frame: x to the image's right, y up, z towards the camera. R = Ry(yaw) Rx(pitch) Rz(roll). Positive yaw turns the face to
the image's right, positive pitch looks down, positive roll turns counter-clockwise in the image. Head pose is (yaw, pitch, roll)
in degrees; axis-angle is in radians. Everything is batched and differentiable.
"""

from __future__ import annotations

import torch
from torch import Tensor


def axis_angle_to_matrix(rotation: Tensor) -> Tensor:
    """(B, 3) radians -> (B, 3, 3), by the matrix exponential, smooth at zero."""
    x, y, z = rotation.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(*rotation.shape[:-1], 3, 3)
    return torch.matrix_exp(skew)


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """(B, 3, 3) -> (B, 3) radians, angle in [0, pi], through the unit quaternion.

    The quaternion's four rows are computed and the best conditioned one is taken, which holds at zero and at pi.
    """
    trace = matrix.diagonal(dim1=-2, dim2=-1)
    m00, m11, m22 = trace.unbind(-1)
    m = matrix
    w = torch.stack([1 + m00 + m11 + m22, m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0],
                     m[..., 1, 0] - m[..., 0, 1]], dim=-1)  # fmt: skip
    x = torch.stack([m[..., 2, 1] - m[..., 1, 2], 1 + m00 - m11 - m22, m[..., 0, 1] + m[..., 1, 0],
                     m[..., 0, 2] + m[..., 2, 0]], dim=-1)  # fmt: skip
    y = torch.stack([m[..., 0, 2] - m[..., 2, 0], m[..., 0, 1] + m[..., 1, 0], 1 - m00 + m11 - m22,
                     m[..., 1, 2] + m[..., 2, 1]], dim=-1)  # fmt: skip
    z = torch.stack([m[..., 1, 0] - m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1],
                     1 - m00 - m11 + m22], dim=-1)  # fmt: skip
    rows = torch.stack([w, x, y, z], dim=-2)  # (B, 4, 4), each a multiple of the quaternion
    best = rows.diagonal(dim1=-2, dim2=-1).argmax(dim=-1)
    row = torch.gather(rows, -2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)
    quaternion = row / row.norm(dim=-1, keepdim=True)
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    axis, cosine = quaternion[..., 1:], quaternion[..., :1]
    sine = axis.norm(dim=-1, keepdim=True)
    # 2 atan2(s, c) / s tends to 2 / c as s vanishes.
    factor = torch.where(sine > 1e-6, 2 * torch.atan2(sine, cosine) / sine.clamp_min(1e-12), 2 / cosine.clamp_min(1e-6))
    return axis * factor


def head_pose_to_matrix(head_pose: Tensor) -> Tensor:
    """(B, 3) yaw, pitch, roll in degrees -> (B, 3, 3)."""
    zero = torch.zeros_like(head_pose[..., 0])
    yaw, pitch, roll = torch.deg2rad(head_pose).unbind(-1)
    turn_yaw = axis_angle_to_matrix(torch.stack([zero, yaw, zero], dim=-1))
    turn_pitch = axis_angle_to_matrix(torch.stack([pitch, zero, zero], dim=-1))
    turn_roll = axis_angle_to_matrix(torch.stack([zero, zero, roll], dim=-1))
    return turn_yaw @ turn_pitch @ turn_roll


def matrix_to_head_pose(matrix: Tensor) -> Tensor:
    """(B, 3, 3) -> (B, 3) yaw, pitch, roll in degrees, pitch in [-90, 90]."""
    yaw = torch.atan2(matrix[..., 0, 2], matrix[..., 2, 2])
    # The clamp keeps the gradient of asin finite at the gimbal.
    pitch = torch.asin((-matrix[..., 1, 2]).clamp(-1 + 1e-7, 1 - 1e-7))
    roll = torch.atan2(matrix[..., 1, 0], matrix[..., 1, 1])
    return torch.rad2deg(torch.stack([yaw, pitch, roll], dim=-1))
