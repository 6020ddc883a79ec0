"""Head pose loss, Eq. 17."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..checks import check_same_shape


def head_pose_loss(reenacted: Tensor, target: Tensor) -> Tensor:
    """L_hp = ||a_t - a_r||_1, as the mean absolute difference of yaw, pitch and roll.

    Source: Eq. 17. Network: EMOCA's head rotation, as Euler angles in degrees like those of the authors' figures; the
    paper names no unit. Angles are near 0 in aligned images; a full turn is not taken out.

    Args:
        reenacted: (B, 3) yaw, pitch, roll in degrees.
        target: the same shape and unit.

    Returns:
        Scalar in degrees, at least 0; 0 for equal poses.

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape("the reenacted head pose", reenacted, "the target head pose", target)
    return F.l1_loss(reenacted, target)
