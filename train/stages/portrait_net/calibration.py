"""Scales of the perceptual and style features, measured once after training.

Losses compare features by their mean squared difference next to pixels in [-1, 1], so features need a sensible unit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from diffusionact.perception.portrait_features import style_of
from diffusionact.perception.portrait_net import PortraitNet

# Each layer's mean squared difference between two frames of a person; the pixels' is between 0.1 and 0.2.
LAYER_DISTANCE = 0.1
# Mean squared difference of the style of two people.
STYLE_DISTANCE = 0.2


@torch.no_grad()
def calibrate(network: PortraitNet, first: Tensor, second: Tensor) -> None:
    """Set `map_scales` and `style_scales`.

    Args:
        network: in evaluation mode.
        first: (B, 3, H, H) an image of each of B people.
        second: (B, 3, H, H) another of each.
    """
    ours, theirs = network(first).maps, network(second).maps
    for layer, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        distance = (one.float() - other.float()).square().mean()
        network.map_scales[layer] = (LAYER_DISTANCE / distance).sqrt()
    # Two independent people differ by twice the variance.
    deviation = torch.cat([style_of(ours), style_of(theirs)]).std(dim=0)
    network.style_scales.copy_((STYLE_DISTANCE / 2) ** 0.5 / deviation.clamp(min=1e-3))
