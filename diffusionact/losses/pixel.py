"""Pixel-wise loss, Eq. 10."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..checks import check_same_shape


def pixel_loss(reenacted: Tensor, target: Tensor) -> Tensor:
    """L_pix = ||x_t - x_r||_2, as the mean squared difference.

    Source: Eq. 10. Network: none.

    Args:
        reenacted: (B, 3, H, W) in [-1, 1].
        target: the same shape and range.

    Returns:
        Scalar in [0, 4]; 0 for equal images.

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape("the reenacted images", reenacted, "the target images", target)
    return F.mse_loss(reenacted, target)
