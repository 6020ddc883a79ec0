"""The warp at the photo's own place and resolution: the canvas moves inside the photo, the rest stays as it is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import describe
from ..face.geometry.alignment import invert_transform
from .sampling import apply, mix, pixel_centres, smoothstep
from .values import WarpSource

# Ramp at the canvas' border, as a share of its half side; the canvas' edge stands still.
SEAM = 0.04


@dataclass(frozen=True)
class PhotoRegion:
    """The part of a photo in which a source's canvas lies: all that can move.

    Attributes:
        top, left, height, width: px of the photo.
        to_output: (2, 3) aligned px -> px of the region, as the renderer takes it.
        share: (1, height, width) in [0, 1], how much of a rendered frame is shown; the rest is the photo.
    """

    top: int
    left: int
    height: int
    width: int
    to_output: Tensor
    share: Tensor

    def of(self, photo: Tensor) -> Tensor:
        """The region (..., height, width) of a photo (..., H, W)."""
        return photo[..., self.top : self.top + self.height, self.left : self.left + self.width]


def photo_output(source: WarpSource) -> Tensor:
    """(2, 3) aligned px -> px of the photo that the source was made of: `to_output` of the renderer."""
    return invert_transform(source.aligned[None])[0]


def photo_region(source: WarpSource, size: tuple[int, int], aligned: Tensor | None = None) -> PhotoRegion:
    """Where the canvas lies in a photo.

    Args:
        source: made ready.
        size: height and width of the photo, px.
        aligned: (2, 3) px of the photo -> aligned px, where it is the source's photo at another size.

    Raises:
        ValueError: if the canvas lies beside the photo.
    """
    aligned = source.aligned if aligned is None else aligned.to(source.aligned)
    corners = source.to_grid.new_tensor([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])
    to_photo = invert_transform(aligned[None])[0]
    corners = apply(to_photo, apply(invert_transform(source.to_grid[None])[0], corners))
    left, top = (max(0, int(value)) for value in corners.amin(0).floor().tolist())
    right, bottom = (int(value) + 1 for value in corners.amax(0).ceil().tolist())
    height, width = min(bottom, size[0]) - top, min(right, size[1]) - left
    if height < 1 or width < 1:
        raise ValueError(
            f"Expected the photo that the source was made of, received one of {size[1]} x {size[0]} px, beside which "
            "the face lies; pass that photo."
        )
    shift = torch.tensor([[0.0, 0.0, left], [0.0, 0.0, top]], device=to_photo.device)
    pixels = pixel_centres(height, width, to_photo.device) + shift[:, 2]
    grid = apply(source.to_grid, apply(aligned, pixels))
    share = smoothstep(1.0, 1.0 - SEAM, grid.abs().amax(-1))
    return PhotoRegion(top, left, height, width, to_photo - shift, share[None])


def lay_on_photo(photo: Tensor, images: Tensor, source: WarpSource) -> Tensor:
    """Frames that were rendered with `photo_output`, in the photo.

    Args:
        photo: (1, 3, H, W) in [-1, 1].
        images: (F, 3, H, W) in [-1, 1].
        source: made of that photo.

    Returns:
        (F, 3, H, W) in [-1, 1]; the photo itself beyond the source's canvas.

    Raises:
        ValueError: if the sizes differ.
    """
    if photo.shape[1:] != images.shape[1:]:
        raise ValueError(
            f"Expected frames of the photo's size, received photo {describe(photo)} and images {describe(images)}; "
            f"render with size (height, width) of the photo and to_output=photo_output(source)."
        )
    region = photo_region(source, tuple(photo.shape[2:]))
    result = photo.repeat(len(images), 1, 1, 1)
    region.of(result).copy_(mix(region.of(photo), region.of(images), region.share))
    return result
