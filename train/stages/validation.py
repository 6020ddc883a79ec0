"""Validation: grids of images and figures that any stage may report."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffusionact.images import model_to_uint8
from diffusionact.metrics import psnr

GAP_PX = 2
GAP_LEVEL = 255
EQUAL_DB = 100.0


def image_grid(rows: Sequence[Tensor]) -> Tensor:
    """Lay rows of images (B, 3, H, W) in [-1, 1] under each other, with white gaps.

    Returns:
        (H', W', 3) uint8.
    """
    frames = torch.stack([model_to_uint8(row.cpu()) for row in rows])  # (R, B, H, W, 3)
    frames = torch.nn.functional.pad(frames, (0, 0, 0, GAP_PX, 0, GAP_PX), value=GAP_LEVEL)
    count, columns, height, width, _ = frames.shape
    return frames.permute(0, 2, 1, 3, 4).reshape(count * height, columns * width, 3).contiguous()


def mean_psnr(image: Tensor, truth: Tensor) -> float:
    """Mean of `metrics.psnr` over images (B, 3, H, W), clamped to [-1, 1] first; equal images count as 100 dB."""
    return float(psnr(image.clamp(-1, 1), truth).clamp(max=EQUAL_DB).mean())
