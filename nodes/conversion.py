"""Between ComfyUI's IMAGE and MASK and the library's pictures."""

from __future__ import annotations

import comfy.model_management
import torch
from torch import Tensor

from ..diffusionact import images


def to_frames(image: Tensor) -> Tensor:
    """IMAGE (F, H, W, 3 or 4) in [0, 1] -> uint8 (F, H, W, 3) on the CPU; transparency is left out."""
    return images.unit_to_uint8(image[..., :3]).cpu()


def one_frame(image: Tensor) -> Tensor:
    """The first picture of an IMAGE batch as uint8 (H, W, 3) on the CPU."""
    return to_frames(image[:1])[0]


def to_image(unit: Tensor) -> Tensor:
    """Unit pictures (F, H, W, 3) as an IMAGE, or shares (F, H, W) as a MASK, where ComfyUI wants results."""
    return unit.to(comfy.model_management.intermediate_device(), torch.float32)
