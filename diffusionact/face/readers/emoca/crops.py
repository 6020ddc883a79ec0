"""The tight 224 px crop that the encoders of EMOCA and DECA see, sampled as the official codes sample it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...geometry.alignment import invert_transform, transform_points
from ...geometry.crop_frame import CROP_SIZE, crop_frame_transform
from .ranges import MAX_LEVEL, to_official_levels


def crop_for_encoders(images: Tensor, landmarks: Tensor) -> Tensor:
    """Cut the square around the landmarks; black beyond the images' borders; differentiable in the images.

    Whole crop pixels are sample points of the image (the corners are pixel centres). Source: official
    `calculate_emoca.get_image`; held against its output in tests/face/readers/emoca/test_emoca_crops.py.

    Args:
        images: (B, 3, H, W) RGB in [-1, 1].
        landmarks: (B, 68, 2) px of the images.

    Returns:
        (B, 3, 224, 224) in [0, 1), by `ranges.to_official_levels`.
    """
    positions = torch.arange(CROP_SIZE, dtype=images.dtype, device=images.device)
    return _sample(images, landmarks, positions, align_corners=True)


def crop_for_deca(images: Tensor, landmarks: Tensor) -> Tensor:
    """The same square as "Finding Directions" samples it: kornia 0.4.1 mixes two conventions for the corners.

    Output pixel (u, v) lies at W / (W - 1) * T((u + 1/2) * 223 / 224) - 1/2 of the image, up to half a pixel beside
    `crop_for_encoders`. Held against its output in tests/face/readers/deca/test_deca_reader.py.

    Args:
        images, landmarks: see `crop_for_encoders`.

    Returns:
        (B, 3, 224, 224) in [0, 1).
    """
    pixels = torch.arange(CROP_SIZE, dtype=images.dtype, device=images.device)
    return _sample(images, landmarks, (pixels + 0.5) * ((CROP_SIZE - 1) / CROP_SIZE), align_corners=False)


def _sample(images: Tensor, landmarks: Tensor, positions: Tensor, align_corners: bool) -> Tensor:
    """The images at `positions` (224,) of the crop along both axes, in [0, 1)."""
    unit = to_official_levels(images) / MAX_LEVEL
    to_image = invert_transform(crop_frame_transform(landmarks).matrix)
    y, x = torch.meshgrid(positions, positions, indexing="ij")
    points = transform_points(to_image, torch.stack([x, y], dim=-1).reshape(1, -1, 2))
    extent = points.new_tensor([images.shape[-1] - 1, images.shape[-2] - 1])
    grid = (points / extent * 2.0 - 1.0).unflatten(1, (CROP_SIZE, CROP_SIZE))
    return F.grid_sample(unit, grid.to(unit.dtype), mode="bilinear", padding_mode="zeros", align_corners=align_corners)
