"""Background loss, Eq. 13."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..checks import check_same_shape


def background_loss(reenacted: Tensor, target: Tensor, reenacted_mask: Tensor, target_mask: Tensor) -> Tensor:
    """L_bg = ||x_t * m_t - x_r * m_r||_2, as the mean squared difference over the whole image.

    Each image has its own mask: where only one of them keeps a pixel, its colour is compared with mid grey (0).
    Source: Eq. 13. Network: BiSeNet (face parsing) for the masks.

    Args:
        reenacted: (B, 3, H, W) in [-1, 1].
        target: the same shape and range.
        reenacted_mask: (B, 1, H, W) in [0, 1], 1 on background and hair of the reenacted image, 0 on the face.
        target_mask: the same of the target.

    Returns:
        Scalar in [0, 4]; 0 for equal images with equal masks, and for masks that keep nothing.

    Raises:
        ValueError: if the shapes of the images or of the masks differ, or a mask is no mask of its image.
    """
    check_same_shape("the reenacted images", reenacted, "the target images", target)
    check_same_shape("the reenacted masks", reenacted_mask, "the target masks", target_mask)
    check_same_shape("the target masks", target_mask, "one channel of the target images", target[:, :1])
    return F.mse_loss(reenacted * reenacted_mask, target * target_mask)
