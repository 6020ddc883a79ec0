"""Holes filled smoothly: the colours of the rim run into each other, as heat spreads, without seams or detail."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .regions import resize

RELAXATIONS = 12
MIN_SIDE = 4


def fill_smoothly(image: Tensor, known: Tensor) -> Tensor:
    """Fill an image where little is known.

    From coarse to fine: each level starts from the coarser one's answer and is relaxed towards Laplace's equation,
    while known pixels hold their colour.

    Args:
        image: (1, C, H, W); its value where nothing is known does not matter.
        known: (1, 1, H, W) in [0, 1], 1 holds the image, 0 takes the fill; somewhere above 0.

    Returns:
        (1, C, H, W).
    """
    height, width = image.shape[2:]
    if min(height, width) <= MIN_SIDE:
        mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1e-6)
        return image * known + mean * (1 - known)
    half = ((height + 1) // 2, (width + 1) // 2)
    share = F.interpolate(known, half, mode="area")
    colour = F.interpolate(image * known, half, mode="area") / share.clamp(min=1e-6)
    # A coarse pixel that is known in part is known: its colour is that of its known part.
    filled = resize(fill_smoothly(colour, (4 * share).clamp(max=1)), (height, width))
    for _ in range(RELAXATIONS):
        filled = known * image + (1 - known) * neighbour_mean(filled)
    return filled


def neighbour_mean(x: Tensor) -> Tensor:
    """Mean of the four neighbours; beyond the border the pixel itself goes on."""
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    across = padded[:, :, 1:-1, :-2] + padded[:, :, 1:-1, 2:]
    return (across + padded[:, :, :-2, 1:-1] + padded[:, :, 2:, 1:-1]) / 4
