"""A frame while it is drawn: its image and confidence, and boxes of it that the eyes and the mouth are painted in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .values import HeadPlacement


@dataclass(frozen=True)
class Drawing:
    """One frame; image and confidence are written in place.

    Attributes:
        image: (3, H, W) in [0, 1].
        confidence: (H, W).
        grid: (H, W, 2) where the mesh takes each pixel from, grid coordinates of the canvas.
        pixels: (H, W, 2) x and y of each pixel.
        points: (478, 2) px, the mesh in the frame.
        head: (478, 3) cm, the mesh in head space.
        change: (478, 3) cm, its displacement.
        placement: one row.
    """

    image: Tensor
    confidence: Tensor
    grid: Tensor
    pixels: Tensor
    points: Tensor
    head: Tensor
    change: Tensor
    placement: HeadPlacement

    def box(self, low: Tensor, high: Tensor) -> tuple[slice, slice] | None:
        """Rows and columns between two corners (2,) px, cut at the frame; None if nothing is left."""
        height, width = self.confidence.shape
        corners = torch.stack([low, high]).tolist()
        if not all(math.isfinite(value) for corner in corners for value in corner):
            return None
        left, right = max(math.floor(corners[0][0]), 0), min(math.ceil(corners[1][0]) + 1, width)
        top, bottom = max(math.floor(corners[0][1]), 0), min(math.ceil(corners[1][1]) + 1, height)
        return (slice(top, bottom), slice(left, right)) if bottom > top and right > left else None
