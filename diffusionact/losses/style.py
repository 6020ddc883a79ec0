"""Style loss, Eq. 14."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..checks import check_same_shape


def style_loss(reenacted: Tensor, target: Tensor) -> Tensor:
    """L_st = ||E(x_t) - E(x_r)||_2, as the mean squared difference.

    Source: Eq. 14. Network: the image encoder of FaRL, 512 numbers.

    Args:
        reenacted: (B, D) feature vectors, any range.
        target: the same shape.

    Returns:
        Scalar, at least 0; 0 for equal features.

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape("the reenacted style", reenacted, "the target style", target)
    return F.mse_loss(reenacted, target)
