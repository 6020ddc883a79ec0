"""The canvas: the aligned crop at the photo's own resolution with a margin of the real photo all around."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..face.alignment import compose_transforms, invert_transform
from .placement import ALIGNED_SIZE
from .sampling import apply, pixel_centres, pixels_to_grid, sample

MIN_CROP_SIDE, MAX_CROP_SIDE = 256, 1024
# Margin on every side, as a share of the crop's side: what turning heads uncover, and room for motion to fade out.
MARGIN = 0.375
# The photo's outermost pixels are often dark or blurred.
BORDER_PX = 1.0


@dataclass(frozen=True)
class Canvas:
    """The photo on the canvas.

    Attributes:
        texture: (3, side, side) in [0, 1]; beyond the photo its nearest pixels go on.
        inside: (1, side, side) 1 where the photo is.
        from_photo: (2, 3) photo px -> canvas px.
        crop_side: side of the aligned crop on the canvas, px.
    """

    texture: Tensor
    inside: Tensor
    from_photo: Tensor
    crop_side: int

    @property
    def side(self) -> int:
        """Side of the canvas, px."""
        return self.texture.shape[-1]


def canvas_side(crop_side: int) -> int:
    """Side of the canvas for a crop of `crop_side` px."""
    return crop_side + 2 * round(MARGIN * crop_side)


def aligned_to_canvas(crop_side: int) -> Tensor:
    """(2, 3) aligned px -> canvas px, pixel centres kept."""
    factor, margin = crop_side / ALIGNED_SIZE, round(MARGIN * crop_side)
    shift = 0.5 * factor - 0.5 + margin
    return torch.tensor([[factor, 0.0, shift], [0.0, factor, shift]])


def cut_canvas(photo: Tensor, aligned: Tensor) -> Canvas:
    """The canvas of a photo.

    Args:
        photo: (H, W, 3) uint8.
        aligned: (2, 3) photo px -> aligned px.
    """
    photo_side = ALIGNED_SIZE / torch.linalg.det(aligned[:, :2]).abs().sqrt().item()
    crop_side = int(min(max(round(photo_side), MIN_CROP_SIDE), MAX_CROP_SIDE))
    to_canvas = aligned_to_canvas(crop_side).to(aligned)
    from_photo = compose_transforms(to_canvas[None], aligned[None])[0]
    image = photo.permute(2, 0, 1).float() / 255.0
    height, width = photo.shape[:2]
    side = canvas_side(crop_side)
    places = apply(invert_transform(from_photo[None])[0], pixel_centres(side, side, photo.device))
    inside = _inside(places, height, width)
    shrink = max(1.0, photo_side / crop_side)
    if shrink > 1.05:  # without aliasing
        size = (max(1, round(height / shrink)), max(1, round(width / shrink)))
        image = F.interpolate(image[None], size=size, mode="bicubic", antialias=True, align_corners=False)[0]
    grid = (places + 0.5) * places.new_tensor([2.0 / width, 2.0 / height]) - 1.0
    texture = sample(image, grid, "bicubic").clamp(0.0, 1.0)
    return Canvas(texture, inside[None], from_photo, crop_side)


def aligned_to_grid(crop_side: int, device: torch.device) -> Tensor:
    """(2, 3) aligned px -> grid coordinates of the canvas."""
    to_canvas, to_grid = aligned_to_canvas(crop_side).to(device), pixels_to_grid(canvas_side(crop_side), device)
    return compose_transforms(to_grid[None], to_canvas[None])[0]


def _inside(places: Tensor, height: int, width: int) -> Tensor:
    """1 for places (*S, 2) well within a photo, with a ramp of one px at its border."""
    last = places.new_tensor([width - 1.0, height - 1.0])
    return (torch.minimum(places, last - places).amin(-1) - BORDER_PX + 1.0).clamp(0.0, 1.0)
