"""Between ComfyUI's IMAGE and MASK and the library's images."""

from __future__ import annotations

import comfy.model_management
import torch
from torch import Tensor

from ...diffusionact import images
from ...diffusionact.devices import face_device


def warping_device() -> torch.device:
    """Where faces are found and images warped, given the device that ComfyUI works on."""
    return face_device(comfy.model_management.get_torch_device())


def to_frames(image: Tensor) -> Tensor:
    """IMAGE (F, H, W, 3 or 4) in [0, 1] -> uint8 (F, H, W, 3) on the CPU; transparency is left out."""
    return images.unit_to_uint8(image[..., :3]).cpu()


def one_frame(image: Tensor) -> Tensor:
    """The first image of an IMAGE batch as uint8 (H, W, 3) on the CPU.

    Raises:
        ValueError: if the batch is empty.
    """
    if not len(image):
        raise ValueError("Expected an image, received an empty batch. Check the node before this one.")
    return to_frames(image[:1])[0]


def to_model(image: Tensor, device: torch.device) -> Tensor:
    """IMAGE (F, H, W, 3 or 4) -> (F, 3, H, W) in [-1, 1] on a device; values that resizing left outside are cut off."""
    return images.unit_to_model(image[..., :3].to(device, torch.float32).clamp(0.0, 1.0))


def to_image(unit: Tensor) -> Tensor:
    """Unit images (F, H, W, 3) as an IMAGE, or shares (F, H, W) as a MASK, where ComfyUI wants results."""
    return unit.to(comfy.model_management.intermediate_device(), torch.float32)
