"""Paste back frame by frame: where the face lies in a whole image, and the mask of what was pasted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...diffusionact import images
from ...diffusionact.checks import describe
from ...diffusionact.face.geometry.alignment import compose_transforms
from ...diffusionact.face.geometry.resize import resize_transform
from ...diffusionact.face.paste_back import paste_back
from ...diffusionact.types import CropTransform
from .values import Source

# The original frames may be the source's image at another size, but not of another shape.
ASPECT_TOLERANCE = 0.02


@dataclass(frozen=True)
class Pasting:
    """How faces are laid over full images; see `paste_back`.

    Attributes:
        crop: full image -> face, one row.
        feather: width of the soft border, share of the face's square.
        match_colour: take over the original's colours.
        mask: MASK (F or 1, ...) of the full image, or of the square face; or None.
    """

    crop: CropTransform
    feather: float = 0.1
    match_colour: bool = True
    mask: Tensor | None = None

    def frame(self, full: Tensor, face: Tensor, index: int) -> Tensor:
        """The finished frame, unit (1, H, W, 3).

        Args:
            full: uint8 (H, W, 3).
            face: (1, 3, S, S) in [-1, 1].
            index: which frame of the clip this is.
        """
        over_full, within = self._masks(full, face, index)
        pasted = paste_back(full, face, self.crop, self.feather, self.match_colour, within)
        pasted = images.uint8_to_unit(pasted)
        if over_full is None:
            return pasted
        return torch.lerp(images.uint8_to_unit(full)[None].to(pasted), pasted, over_full[..., None])

    def share(self, full: Tensor, face: Tensor, index: int) -> Tensor:
        """The share of the face in each pixel of `frame`, (1, H, W); same arguments."""
        over_full, within = self._masks(full, face, index)
        white = torch.ones_like(face)
        alpha = paste_back(torch.zeros_like(full), white, self.crop, self.feather, mask=within)[..., 0]
        share = images.uint8_to_unit(alpha)
        return share if over_full is None else share * over_full

    def _masks(self, full: Tensor, face: Tensor, index: int) -> tuple[Tensor | None, Tensor | None]:
        """The mask over the full image (1, H, W), and the one within the face (1, 1, S, S), where there is one."""
        if self.mask is None:
            return None, None
        mask = _of_frame(self.mask, index).to(face)
        return (mask, None) if mask.shape[1:] == full.shape[:2] else (None, _square(mask, face.shape[-1]))


def crop_mask(source: Source) -> Tensor:
    """Where the face was cut out of the source's image: MASK (1, H, W)."""
    white = torch.ones_like(source.codes.image)
    frames = paste_back(torch.zeros_like(source.image), white, source.codes.crop, feather=0.0)
    return images.uint8_to_unit(frames[..., 0])


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


def _of_frame(mask: Tensor, index: int) -> Tensor:
    """The mask (1, H, W) of one frame; some nodes give a single mask without a batch axis."""
    masks = mask.reshape(-1, *mask.shape[-2:])
    return masks[min(index, len(masks) - 1)][None]


def _square(mask: Tensor, size: int) -> Tensor:
    if mask.shape[1] != mask.shape[2]:
        raise ValueError(
            f"Expected a mask of the size of the original frames, or a square one of the face, received "
            f"{describe(mask)}. Draw it on the original or on the aligned image."
        )
    return torch.nn.functional.interpolate(mask[:, None], size=(size, size), mode="bilinear", antialias=True)
