"""The warp at the photo's own place and resolution: the canvas moves inside the photo, the rest stays as it is."""

from __future__ import annotations

from torch import Tensor

from ..checks import describe
from ..face.geometry.alignment import invert_transform
from .sampling import apply, mix, pixel_centres, smoothstep
from .values import WarpSource

# Ramp at the canvas' border, as a share of its half side; the canvas' edge stands still.
SEAM = 0.04


def photo_output(source: WarpSource) -> Tensor:
    """(2, 3) aligned px -> px of the photo that the source was made of: `to_output` of the renderer."""
    return invert_transform(source.aligned[None])[0]


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
    pixels = pixel_centres(*photo.shape[2:], photo.device)
    grid = apply(source.to_grid, apply(source.aligned, pixels))
    return mix(photo, images, smoothstep(1.0, 1.0 - SEAM, grid.abs().amax(-1)))
