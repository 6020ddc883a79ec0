"""The weak-perspective camera of a square crop: head-frame points to pixels and back to the camera's plane.

Camera is (scale s, t_x, t_y): x_px = size/2 (1 + s (X + t_x)), y_px = size/2 (1 - s (Y + t_y)). X points right, Y up;
depth has no influence.
"""

from __future__ import annotations

import torch
from torch import Tensor


def project(points: Tensor, camera: Tensor, size: int) -> Tensor:
    """Project rotated points into the crop.

    Args:
        points: (B, N, 3) head frame after rotation, in the face model's unit.
        camera: (B, 3) scale, t_x, t_y.
        size: side of the crop, pixels.

    Returns:
        (B, N, 2) px, x right, y down.
    """
    plane = to_plane(points, camera)
    return size / 2 * (1.0 + plane * _y_flip(plane))


def to_plane(points: Tensor, camera: Tensor) -> Tensor:
    """Rotated points (B, N, 3) as positions s (X + t_x), s (Y + t_y) on the camera's plane (B, N, 2)."""
    return camera[:, None, :1] * (points[..., :2] + camera[:, None, 1:])


def unproject(landmarks: Tensor, size: int) -> Tensor:
    """The positions on the camera's plane (B, N, 2), see `to_plane`, of pixels (B, N, 2)."""
    return (landmarks / (size / 2) - 1.0) * _y_flip(landmarks)


def _y_flip(like: Tensor) -> Tensor:
    return torch.tensor([1.0, -1.0], dtype=like.dtype, device=like.device)
