"""Shape loss, Eq. 16."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..checks import check_same_shape


def shape_loss(reenacted: Tensor, target: Tensor) -> Tensor:
    """L_sh = ||l_t - l_r||_1, as the mean absolute difference of all coordinates.

    Source: Eq. 16. Network: EMOCA with FLAME, landmarks in its 224 px crop; the paper names no unit, the authors'
    earlier training code (stylegan_directions_face_reenactment) compares pixels of that crop.

    Args:
        reenacted: (B, 68, 2) px of a 224 px face crop.
        target: the same shape and frame.

    Returns:
        Scalar in pixels, at least 0; 0 for equal landmarks.

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape("the reenacted landmarks", reenacted, "the target landmarks", target)
    return F.l1_loss(reenacted, target)
