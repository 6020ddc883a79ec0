"""Squares that `PortraitNet` cuts out of images and feature maps: face, eyes and mouth, placed by landmarks.

Squares are (B, N, 3): centre x, centre y and side, px of the network's square image. Nothing here has weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..face.geometry.ibug68 import EYES, INNER_LIPS, OUTER_LIPS

FACE_CROP_SIZE = 8  # cells of the cut out feature maps
DETAIL_CROP_SIZE = 32  # px of a cut out eye or mouth
FACE_SIDE = 1.25  # side in extents of the landmarks; their box ends at the brows
EYE_SIDE = 0.34
MOUTH_SIDE = 0.6
MOUTH = OUTER_LIPS + INNER_LIPS


def landmark_extent(landmarks: Tensor) -> tuple[Tensor, Tensor]:
    """Centre (B, 2) of the box of landmarks (B, 68, 2), and the mean (B,) of its width and height, at least 1 px."""
    low, high = landmarks.amin(1), landmarks.amax(1)
    return (low + high) / 2, (high - low).mean(-1).clamp(min=1.0)


def face_squares(landmarks: Tensor) -> Tensor:
    """The face's square (B, 1, 3) of landmarks (B, 68, 2) px."""
    centre, extent = landmark_extent(landmarks)
    return torch.cat([centre, FACE_SIDE * extent[:, None]], dim=-1)[:, None]


def eye_squares(landmarks: Tensor) -> Tensor:
    """Both eyes' squares (B, 2, 3) of landmarks (B, 68, 2) px, the subject's right eye first."""
    side = (EYE_SIDE * landmark_extent(landmarks)[1])[:, None]
    return torch.stack([torch.cat([landmarks[:, list(eye)].mean(1), side], dim=-1) for eye in EYES], dim=1)


def mouth_squares(landmarks: Tensor) -> Tensor:
    """The mouth's square (B, 1, 3) of landmarks (B, 68, 2) px."""
    side = (MOUTH_SIDE * landmark_extent(landmarks)[1])[:, None]
    return torch.cat([landmarks[:, list(MOUTH)].mean(1), side], dim=-1)[:, None]


def points_in_squares(positions: Tensor, squares: Tensor) -> Tensor:
    """Places (B, N, P, 2) in sides from the centre of their squares (B, N, 3) -> px (B, N, P, 2)."""
    return squares[:, :, None, :2] + positions * squares[:, :, None, 2:]


def cut_squares(maps: Tensor, squares: Tensor, image_size: int, crop_size: int) -> Tensor:
    """Cut squares out of images or feature maps, bilinearly; differentiable in the maps. Outside is 0.

    Args:
        maps: (B, C, h, w) over the whole square image.
        squares: (B, N, 3) px of that image.
        image_size: its side, px.
        crop_size: cells along a side of a result.

    Returns:
        (B * N, C, crop_size, crop_size).
    """
    batch, count = squares.shape[:2]
    steps = (torch.arange(crop_size, device=maps.device, dtype=squares.dtype) + 0.5) / crop_size - 0.5
    across = squares[..., 0, None] + steps * squares[..., 2, None]  # (B, N, crop_size)
    down = squares[..., 1, None] + steps * squares[..., 2, None]
    shape = (batch, count, crop_size, crop_size)
    grid = torch.stack([across[:, :, None].expand(shape), down[..., None].expand(shape)], dim=-1)
    grid = (grid + 0.5) * (2.0 / image_size) - 1.0
    tall = grid.reshape(batch, count * crop_size, crop_size, 2)
    crops = F.grid_sample(maps.float(), tall.float(), padding_mode="zeros", align_corners=False)
    crops = crops.unflatten(2, (count, crop_size)).transpose(1, 2)  # (B, N, C, crop_size, crop_size)
    return crops.flatten(0, 1)
