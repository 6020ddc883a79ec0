"""Feature vectors out of feature maps. Nothing here has weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def style_of(maps: Sequence[Tensor]) -> Tensor:
    """Mean and deviation of every channel but the finest layer's: how an image looks, not where things are.

    Args:
        maps: four layers (B, C_l, h_l, w_l), finest first.

    Returns:
        (B, 2 * (C_1 + C_2 + C_3)), unscaled.
    """
    parts = []
    for layer in maps[1:]:
        variance, mean = torch.var_mean(layer.float(), dim=(2, 3), correction=0)
        parts += [mean, (variance + 1e-4).sqrt()]
    return torch.cat(parts, dim=1)
