"""Ranges of images as the official code converts them, to the last level; model images are in [-1, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

# The official code (`torch_range_1_to_255`) divides by this: white is 254.998725. Kept, as the networks were fed so.
OFFICIAL_SPAN = 2.0 + 1e-5
MAX_LEVEL = 255.0


def to_official_levels(images: Tensor) -> Tensor:
    """[-1, 1] -> [0, 254.9987]: the input of the face detector, the landmark network and the 224 px crop."""
    return (images.clamp(-1.0, 1.0) + 1.0) / OFFICIAL_SPAN * MAX_LEVEL


def to_truncated_bytes(images: Tensor) -> Tensor:
    """[-1, 1] -> uint8 of the same layout, truncated, not rounded: the image that the official alignment receives.

    After the float32 round trip of an image file's levels, the levels 1 to 63 come back one lower.
    """
    return ((images + 1.0) / 2.0 * MAX_LEVEL).to(torch.uint8)
