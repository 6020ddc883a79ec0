"""Between ComfyUI's IMAGE and MASK and the library's pictures."""

from __future__ import annotations

import comfy.model_management
import torch
from torch import Tensor

from ..diffusionact import images
from ..diffusionact.checks import describe


def to_frames(image: Tensor) -> Tensor:
    """IMAGE (F, H, W, 3 or 4) in [0, 1] -> uint8 (F, H, W, 3) on the CPU; transparency is left out."""
    return images.unit_to_uint8(image[..., :3]).cpu()


def one_frame(image: Tensor) -> Tensor:
    """The first picture of an IMAGE batch as uint8 (H, W, 3) on the CPU."""
    return to_frames(image[:1])[0]


def to_image(unit: Tensor) -> Tensor:
    """Unit pictures (F, H, W, 3) as an IMAGE, where ComfyUI wants results."""
    return unit.to(comfy.model_management.intermediate_device(), torch.float32)


def to_mask(frames: Tensor) -> Tensor:
    """Grey uint8 frames (F, H, W, 3) as a MASK (F, H, W) in [0, 1]."""
    return to_image(images.uint8_to_unit(frames[..., 0]))


def to_crop_mask(mask: Tensor, size: int) -> Tensor:
    """A MASK of the square face (F, S, S) as (F, 1, size, size).

    Raises:
        ValueError: if it is not square.
    """
    if mask.ndim != 3 or mask.shape[1] != mask.shape[2]:
        raise ValueError(
            f"Expected a square mask that belongs to the aligned face, received {describe(mask)}. Draw it on the "
            "aligned picture of Encode Source, or on the reenacted pictures."
        )
    return torch.nn.functional.interpolate(mask[:, None], size=(size, size), mode="bilinear", antialias=True)
