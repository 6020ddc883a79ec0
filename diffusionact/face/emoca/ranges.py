"""Ranges of pictures as the official code converts them, to the last level; model pictures are in [-1, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

# The official code (`torch_range_1_to_255`) divides by this: white is 254.998725. Kept, as the networks were fed so.
OFFICIAL_SPAN = 2.0 + 1e-5
MAX_LEVEL = 255.0


def to_official_levels(pictures: Tensor) -> Tensor:
    """[-1, 1] -> [0, 254.9987]: the input of the face detector, the landmark network and the 224 px crop."""
    return (pictures.clamp(-1.0, 1.0) + 1.0) / OFFICIAL_SPAN * MAX_LEVEL


def to_truncated_bytes(pictures: Tensor) -> Tensor:
    """[-1, 1] -> uint8 of the same layout, truncated, not rounded: the picture that the official alignment receives.

    After the float32 round trip of a picture file's levels, the levels 1 to 63 come back one lower.
    """
    return ((pictures + 1.0) / 2.0 * MAX_LEVEL).to(torch.uint8)
