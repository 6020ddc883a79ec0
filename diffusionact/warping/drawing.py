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

    def boxes(self, low: Tensor, high: Tensor) -> list[tuple[slice, slice]] | None:
        """Boxes of one size that hold those between corners (B, 2) px, as far as the frame shows them.

        None if it shows none.
        """
        found = [self.box(*corners) for corners in zip(low, high, strict=True)]
        shown = [box for box in found if box is not None]
        if not shown:
            return None
        size = [max(part.stop - part.start for part in parts) for parts in zip(*shown, strict=True)]
        # What the frame does not show is painted nowhere, wherever its box lies.
        return [_widened(box or shown[0], size, self.confidence.shape) for box in found]

    def cut(self, values: Tensor, boxes: list[tuple[slice, slice]]) -> Tensor:
        """(B, h, w, C) of the frame's values (H, W, C) in boxes of one size."""
        return torch.stack([values[box] for box in boxes])

    def paint(self, box: tuple[slice, slice], colours: Tensor, share: Tensor) -> None:
        """Mix colours (3, h, w) into a box of the image by a share (h, w)."""
        self.image[:, box[0], box[1]].lerp_(colours, share)


def axes(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """x (*B, 1, w) of the columns and y (*B, h, 1) of the rows of pixels (*B, h, w, 2) in boxes."""
    return pixels[..., :1, :, 0], pixels[..., :, :1, 1]


def _widened(box: tuple[slice, slice], size: list[int], frame: torch.Size) -> tuple[slice, slice]:
    """A box of a size that holds another and lies in the frame."""
    starts = [min(part.start, end - length) for part, length, end in zip(box, size, frame, strict=True)]
    return tuple(slice(start, start + length) for start, length in zip(starts, size, strict=True))
