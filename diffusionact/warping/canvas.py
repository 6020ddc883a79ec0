"""The canvas: the aligned crop at the photo's own resolution with a margin of the real photo all around."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..face.geometry.alignment import compose_transforms, invert_transform
from .placement import ALIGNED_SIZE
from .sampling import apply, blur, mix, pixel_centres, pixels_to_grid, sample, smoothstep

MIN_CROP_SIDE, MAX_CROP_SIDE = 256, 1024
# Margin on every side, as a share of the crop's side: what turning heads uncover, and room for motion to fade out.
MARGIN = 0.375
# The photo's outermost pixels are often dark or blurred.
BORDER_PX = 1.0
# Beyond the photo: sigmas of the blurs, and the distances over which they set in, as shares of the crop's side.
BLURS = ((0.03, (0.0, 0.03)), (0.12, (0.02, 0.12)))


def canvas_side(crop_side: int) -> int:
    """Side of the canvas for a crop of `crop_side` px."""
    return crop_side + 2 * round(MARGIN * crop_side)


def aligned_to_canvas(crop_side: int) -> Tensor:
    """(2, 3) aligned px -> canvas px, pixel centres kept."""
    factor, margin = crop_side / ALIGNED_SIZE, round(MARGIN * crop_side)
    shift = 0.5 * factor - 0.5 + margin
    return torch.tensor([[factor, 0.0, shift], [0.0, factor, shift]])


def aligned_to_grid(crop_side: int, device: torch.device) -> Tensor:
    """(2, 3) aligned px -> grid coordinates of the canvas."""
    to_canvas, to_grid = aligned_to_canvas(crop_side).to(device), pixels_to_grid(canvas_side(crop_side), device)
    return compose_transforms(to_grid[None], to_canvas[None])[0]


def crop_side_of(aligned: Tensor) -> int:
    """Side of the aligned crop on the canvas: the photo's own resolution within limits; `aligned` as in `lay_out`."""
    return int(min(max(round(photo_side(aligned)), MIN_CROP_SIDE), MAX_CROP_SIDE))


def lay_out(photo: Tensor, aligned: Tensor, crop_side: int) -> tuple[Tensor, Tensor]:
    """A photo, or a layer of its colours, on the canvas.

    Args:
        photo: (C, H, W) in [0, 1].
        aligned: (2, 3) photo px -> aligned px.
        crop_side: side of the aligned crop on the canvas, px.

    Returns:
        (C, side, side) in [0, 1], beyond the photo its border's colours, increasingly blurred; (1, side, side) 1 where
        the photo is.
    """
    photo, positions, size = _shrunk(photo, aligned, crop_side)
    # Not mirrored: a photo cut close would show a second face there.
    laid = sample(photo, _to_grid(positions, size), "bicubic").clamp(0.0, 1.0)
    beyond = beyond_photo(positions, size)
    inside = (1.0 - BORDER_PX - beyond).clamp(0.0, 1.0)
    far = beyond / photo_side(aligned)
    if far.amax() <= 0:
        return laid, inside[None]
    result = laid
    for sigma, ramp in BLURS:
        result = mix(result, blur(laid, sigma * crop_side), smoothstep(*ramp, far))
    return result, inside[None]


def lay_out_matte(matte: Tensor, aligned: Tensor, crop_side: int) -> Tensor:
    """A matte (1, H, W) on the canvas (1, side, side); its values at the border go on beyond the photo."""
    matte, positions, size = _shrunk(matte, aligned, crop_side)
    return sample(matte, _to_grid(positions, size), "bicubic").clamp(0.0, 1.0)


def _shrunk(photo: Tensor, aligned: Tensor, crop_side: int) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """The photo without what the canvas cannot show; the place of each pixel of the canvas in px; the photo's size."""
    height, width = photo.shape[1:]
    positions = photo_positions(aligned, crop_side)
    shrink = photo_side(aligned) / crop_side
    if shrink > 1.05:  # without aliasing
        size = (max(1, round(height / shrink)), max(1, round(width / shrink)))
        photo = F.interpolate(photo[None], size=size, mode="bicubic", antialias=True, align_corners=False)[0]
    return photo, positions, (height, width)


def photo_positions(aligned: Tensor, crop_side: int) -> Tensor:
    """(side, side, 2) px of the photo that lie at each pixel of the canvas; `aligned` as in `lay_out`."""
    side = canvas_side(crop_side)
    from_photo = compose_transforms(aligned_to_canvas(crop_side).to(aligned)[None], aligned[None])
    return apply(invert_transform(from_photo)[0], pixel_centres(side, side, aligned.device))


def beyond_photo(positions: Tensor, size: tuple[int, int]) -> Tensor:
    """(*S,) how far px (*S, 2) lie beyond a photo of (height, width), px; below 0 within it."""
    return torch.maximum(-positions, positions - positions.new_tensor([size[1] - 1.0, size[0] - 1.0])).amax(-1)


def _to_grid(positions: Tensor, size: tuple[int, int]) -> Tensor:
    """Px of a photo of (height, width) as grid coordinates, at any resolution."""
    return (positions + 0.5) * positions.new_tensor([2.0 / size[1], 2.0 / size[0]]) - 1.0


def photo_side(aligned: Tensor) -> float:
    """Side of the aligned crop in the photo, px."""
    return ALIGNED_SIZE / torch.linalg.det(aligned[:, :2]).abs().sqrt().item()
