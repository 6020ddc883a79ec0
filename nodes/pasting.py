"""Paste back a few frames at a time, and the mask of what was pasted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..diffusionact import images
from ..diffusionact.face.composite import paste_back
from ..diffusionact.types import CropTransform
from .sockets import Source


@dataclass(frozen=True)
class Pasting:
    """How faces are laid over the full picture; see `paste_back`.

    Attributes:
        feather: width of the soft border, share of the face's square.
        match_colour: take over the original's colours.
        mask: (F or 1, 1, S, S) in [0, 1], or None.
    """

    feather: float = 0.1
    match_colour: bool = True
    mask: Tensor | None = None

    def paste(self, full: Tensor, faces: Tensor, crop: CropTransform) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each finished frame uint8 (1, H, W, 3) and what was pasted, as grey uint8 of the same shape.

        Args:
            full: uint8 (F or 1, H, W, 3).
            faces: (F, 3, S, S) in [-1, 1].
            crop: full picture -> face, one row.
        """
        for index in range(len(faces)):
            frame = full[min(index, len(full) - 1)]
            mask = None if self.mask is None else self.mask[min(index, len(self.mask) - 1)][None]
            face = faces[index : index + 1]
            pasted = paste_back(frame, face, crop, self.feather, self.match_colour, mask)
            yield pasted, paste_back(torch.zeros_like(frame), torch.ones_like(face), crop, self.feather, mask=mask)


def crop_mask(source: Source) -> Tensor:
    """Where the face was cut out of the source: grey uint8 (1, H, W, 3)."""
    white = torch.ones_like(source.codes.image)
    return paste_back(torch.zeros_like(source.picture), white, source.codes.crop, feather=0.0)


def check_frame_counts(full: Tensor, faces: Tensor) -> None:
    """Raise ValueError unless there is one full picture, or one for each face."""
    if len(full) not in (1, len(faces)):
        raise ValueError(
            f"Expected one original picture or as many as there are reenacted ones ({len(faces)}), received "
            f"{len(full)}. Connect the clip that was reenacted, or a single picture."
        )


def picture_of(frame: Tensor) -> Tensor:
    """uint8 (1, H, W, 3) -> unit picture."""
    return images.uint8_to_unit(frame)
