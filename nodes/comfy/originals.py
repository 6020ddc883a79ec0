"""Whole images that faces are pasted over: where the face lies in them, and whether they fit."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ...diffusionact.face.geometry.alignment import compose_transforms
from ...diffusionact.face.geometry.resize import resize_transform
from ...diffusionact.types import CropTransform
from .values import Source

# The original frames may be the source's image at another size, but not of another shape.
ASPECT_TOLERANCE = 0.02


def crop_of(source: Source, originals: Tensor) -> CropTransform:
    """The source's crop for original frames (F, H, W, 3), which may be the image at another size.

    Raises:
        ValueError: if they have another shape.
    """
    (height, width), (full_height, full_width) = source.image.shape[:2], originals.shape[1:3]
    x, y = width / full_width, height / full_height
    if abs(x / y - 1.0) > ASPECT_TOLERANCE:
        raise ValueError(
            f"Expected original frames of the shape of the encoded image ({width} x {height}), received "
            f"{full_width} x {full_height}. Connect the image that was encoded, at any size."
        )
    to_encoded = resize_transform((full_height, full_width), (height, width))
    return replace(source.codes.crop, matrix=compose_transforms(source.codes.crop.matrix, to_encoded))


def check_faces(originals: Tensor, faces: Tensor) -> None:
    """Raise ValueError unless faces (F, S, S, C) are square, and there is one original, or one for each of them."""
    if faces.shape[1] != faces.shape[2]:
        raise ValueError(
            f"Expected square reenacted faces, received {faces.shape[2]} x {faces.shape[1]}. Connect Decode, or an "
            "upscaler after it that does not crop."
        )
    if len(originals) not in (1, len(faces)):
        raise ValueError(
            f"Expected one original frame or as many as there are reenacted ones ({len(faces)}), received "
            f"{len(originals)}. Connect a clip of the same length, or a single image."
        )
