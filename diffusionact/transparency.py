"""Photos with transparent parts: colours and alpha apart, and colours that go on under what is transparent.

What an RGBA file holds under alpha 0 is arbitrary, often black. Resampling and lossy codecs mix neighbours, so that it
would show as a rim; here the visible colours go on there.
"""

from __future__ import annotations

import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .images import read_image, uint8_to_unit, unit_to_uint8, upright_srgb

# Colours of pixels with more alpha than this are what the file says.
SURE_ALPHA = 0.1


def load_with_alpha(path: str | os.PathLike[str]) -> tuple[Tensor, Tensor | None]:
    """Read an image file as colours and alpha.

    Returns:
        (H, W, 3) uint8 RGB, upright, straight (not multiplied by alpha), continued under transparent pixels; (H, W)
        uint8 alpha, None where every pixel is opaque.

    Raises:
        FileNotFoundError, ValueError: as `images.load_image`.
    """
    image = upright_srgb(read_image(path))
    if not image.has_transparency_data:
        return torch.from_numpy(np.array(image.convert("RGB"))), None
    layers = torch.from_numpy(np.array(image.convert("RGBA")))
    colours, alpha = layers[..., :3].contiguous(), layers[..., 3].contiguous()
    if bool((alpha == 255).all()):
        return colours, None
    return continued_colours(colours, alpha), alpha


def continued_colours(colours: Tensor, alpha: Tensor) -> Tensor:
    """Let visible colours go on smoothly under transparent pixels.

    Args:
        colours: (H, W, 3) uint8, straight.
        alpha: (H, W) uint8.

    Returns:
        (H, W, 3) uint8; pixels that are more than a little opaque keep their colour.
    """
    image = uint8_to_unit(colours).permute(2, 0, 1)[None]
    return unit_to_uint8(_continued(image, uint8_to_unit(alpha)[None, None])[0].permute(1, 2, 0))


def over_white(colours: Tensor, alpha: Tensor) -> Tensor:
    """Colours (H, W, 3) uint8 laid over white by their alpha (H, W) uint8, as viewers show them."""
    share = uint8_to_unit(alpha)[..., None]
    return unit_to_uint8(uint8_to_unit(colours) * share + (1.0 - share))


def _continued(image: Tensor, weight: Tensor) -> Tensor:
    """Image (1, 3, H, W) filled from ever coarser weighted means of itself, weight (1, 1, H, W)."""
    height, width = image.shape[2:]
    if max(height, width) == 1:
        return image
    pool = {"kernel_size": 2, "ceil_mode": True, "count_include_pad": False}
    total = F.avg_pool2d(weight, **pool)
    mean = F.avg_pool2d(image * weight, **pool) / total.clamp(min=1e-6)
    coarse = _continued(mean, (4.0 * total).clamp(max=1.0))
    coarse = F.interpolate(coarse, size=(height, width), mode="bilinear")
    return torch.lerp(coarse, image, (weight / SURE_ALPHA).clamp(max=1.0))
