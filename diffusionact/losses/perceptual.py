"""Perceptual loss, Eq. 11."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from ..checks import check_same_shape


def perceptual_loss(reenacted: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """L_per = sum over layers of ||phi_l(x_t) - phi_l(x_r)||_2, each as the mean squared difference.

    Source: Eq. 11. Network: VGG19 trained on ImageNet.

    Args:
        reenacted: feature maps (B, C_l, H_l, W_l) of each layer, any range.
        target: the same layers of the target.

    Returns:
        Scalar, at least 0; 0 for equal features.

    Raises:
        ValueError: if the numbers of layers or the shapes of a layer differ, or there is no layer.
    """
    if len(reenacted) != len(target) or not reenacted:
        raise ValueError(
            f"Expected features of the same layers, at least one, received {len(reenacted)} of the reenacted and "
            f"{len(target)} of the target images; take both from one network."
        )
    total = reenacted[0].new_zeros(())
    for layer, (first, second) in enumerate(zip(reenacted, target, strict=True)):
        check_same_shape(f"layer {layer} of the reenacted images", first, "that of the target images", second)
        total = total + F.mse_loss(first, second)
    return total
