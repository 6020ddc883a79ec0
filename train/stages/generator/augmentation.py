"""Augmentation of what the discriminator sees, real or drawn, each change with one probability; differentiable.

A small set after the idea of adaptive discriminator augmentation (Karras et al. 2020, "Training Generative Adversarial
Networks with Limited Data"). As every change is left out often enough, the generator does not learn to draw it.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# Largest changes.
MAX_ZOOM_LOG2 = 0.3
MAX_TURN_RAD = math.radians(20.0)
MAX_SHIFT_SIDES = 0.125
MAX_BRIGHTNESS = 0.3
MAX_CONTRAST_LOG2 = 0.5
MAX_SATURATION_LOG2 = 1.0
HOLE_SIDES = 0.4

GATES = ("mirror", "zoom", "turn", "shift", "brightness", "contrast", "saturation", "hole")
STRENGTHS = ("zoom", "turn", "shift_x", "shift_y", "brightness", "contrast", "saturation", "hole_x", "hole_y")
NUM_DRAWS = len(GATES) + len(STRENGTHS)


def augment(images: Tensor, draws: Tensor, probability: Tensor) -> Tensor:
    """Change some of the images; with probability 0 they come back as they are.

    Args:
        images: (B, 3, S, S).
        draws: (B, NUM_DRAWS) uniform in [0, 1): whether each change happens, then how strong.
        probability: scalar in [0, 1], of each change; mirroring happens in half of its cases.
    """
    gates = dict(zip(GATES, (draws[:, : len(GATES)] < probability).unbind(1), strict=True))
    gates["mirror"] = draws[:, 0] < probability / 2
    strengths = dict(zip(STRENGTHS, (draws[:, len(GATES) :] * 2 - 1).unbind(1), strict=True))
    return _cut_hole(_recolour(_move(images, gates, strengths), gates, strengths), gates, strengths)


def _move(images: Tensor, gates: dict[str, Tensor], strengths: dict[str, Tensor]) -> Tensor:
    """Mirror, zoom, turn and shift in one sampling; beyond the border its pixels go on."""
    moved = gates["mirror"] | gates["zoom"] | gates["turn"] | gates["shift"]
    zoom = torch.exp2(gates["zoom"] * strengths["zoom"] * MAX_ZOOM_LOG2)
    angle = gates["turn"] * strengths["turn"] * MAX_TURN_RAD
    sign = 1 - 2 * gates["mirror"].float()
    shift = [gates["shift"] * strengths[name] * (2 * MAX_SHIFT_SIDES) for name in ("shift_x", "shift_y")]  # half sides
    cosine, sine = zoom * angle.cos(), zoom * angle.sin()
    rows = (torch.stack([sign * cosine, -sine, shift[0]], dim=-1), torch.stack([sign * sine, cosine, shift[1]], dim=-1))
    grid = F.affine_grid(torch.stack(rows, dim=1).to(images.dtype), list(images.shape), align_corners=False)
    sampled = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return torch.where(moved[:, None, None, None], sampled, images)


def _recolour(images: Tensor, gates: dict[str, Tensor], strengths: dict[str, Tensor]) -> Tensor:
    """Saturation around each pixel's grey, contrast around the middle, brightness."""
    factors = {"saturation": MAX_SATURATION_LOG2, "contrast": MAX_CONTRAST_LOG2}
    saturation, contrast = (_column(gates[n] * strengths[n] * factors[n]).exp2() for n in factors)
    grey = images.mean(dim=1, keepdim=True)
    # Written as a change, so that a factor of 1 gives the very same numbers.
    coloured = images + (saturation - 1) * (images - grey)
    return coloured * contrast + _column(gates["brightness"] * strengths["brightness"] * MAX_BRIGHTNESS)


def _cut_hole(images: Tensor, gates: dict[str, Tensor], strengths: dict[str, Tensor]) -> Tensor:
    """Blank a square somewhere."""
    steps = torch.linspace(-1, 1, images.shape[-1], device=images.device)
    near_x = (steps - strengths["hole_x"][:, None]).abs() < HOLE_SIDES
    near_y = (steps - strengths["hole_y"][:, None]).abs() < HOLE_SIDES
    hole = gates["hole"][:, None, None] & near_y[:, :, None] & near_x[:, None, :]
    return images.masked_fill(hole[:, None], 0.0)


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]
