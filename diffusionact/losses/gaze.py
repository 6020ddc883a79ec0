"""Gaze loss, Eq. 15."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..checks import check_same_shape


def gaze_loss(reenacted: Tensor, target: Tensor) -> Tensor:
    """L_g = ||g(x_t) - g(x_r)||_1, as the mean absolute difference.

    Source: Eq. 15. Network: ETH-XGaze, in the radians that it puts out; the paper names no unit.

    Args:
        reenacted: (B, 2) pitch, yaw in radians.
        target: the same shape and unit.

    Returns:
        Scalar in radians, at least 0; 0 for equal gaze.

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape("the reenacted gaze", reenacted, "the target gaze", target)
    return F.l1_loss(reenacted, target)
