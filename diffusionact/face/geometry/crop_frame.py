"""The tight 224 px crop inside the aligned image whose numbers the official landmark maps are drawn with.

The official face model sees this crop, predicts landmarks in its pixels, and draws them on the 256 px canvas without
mapping them back; networks trained that way need the same numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...types import CropTransform

CROP_SIZE = 224
# The box of the landmarks, widened twice. Source: official `calculate_emoca.get_image`.
BOX_FACTOR = 1.1
CROP_FACTOR = 1.25


def crop_frame_transform(landmarks: Tensor) -> CropTransform:
    """Map the aligned image to the tight crop around its landmarks.

    The box around the landmarks gives the centre; the side is (w + h) / 2 * 1.1 * 1.25, truncated to whole pixels. The
    scale is 223 / side: the crop's corners are pixel centres.

    Args:
        landmarks: (B, 68, 2) px of the aligned image.

    Returns:
        aligned px -> px of the 224 px crop.
    """
    low, high = landmarks.amin(1), landmarks.amax(1)
    centre = (low + high) / 2
    side = torch.trunc((high - low).sum(-1) / 2 * BOX_FACTOR * CROP_FACTOR).clamp(min=1.0)
    scale = (CROP_SIZE - 1) / side
    linear = scale[:, None, None] * torch.eye(2, dtype=landmarks.dtype, device=landmarks.device)
    shift = -(centre - side[:, None] / 2) * scale[:, None]
    return CropTransform(torch.cat([linear, shift[..., None]], dim=-1), CROP_SIZE)
