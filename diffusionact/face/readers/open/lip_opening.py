"""Puts the expression values right where the mesh shows another opening of the lips than they say.

The net that tells the 52 values from the mesh hardly sees an "oh": it reports a pucker, and lips that touch. A shut
mouth is shut in every face, so the opening alone can be measured without knowing the person, and carried to another.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ...expression_names import EXPRESSION_NAMES
from .expression_directions import load_directions
from .landmarker.geometry import HeadGeometry

# The middle of the inner lips, from the subject's right to the left.
UPPER, LOWER = (81, 13, 311), (178, 14, 402)
# Lips that touch still lie this far apart in the mesh, cm.
TOUCHING_CM = 0.05
# Values that say "more than shut" count as far as the lips part, up to this opening, cm.
PARTED_CM = 0.3
JAW_OPEN, MOUTH_CLOSE = (EXPRESSION_NAMES.index(name) for name in ("jawOpen", "mouthClose"))


def correct_lip_opening(expression: Tensor, mesh: Tensor, geometry: HeadGeometry) -> Tensor:
    """Open the jaw further, or close the mouth over it, until the values open the lips as far as the mesh does.

    Args:
        expression: (B, 52) in [0, 1].
        mesh: (B, 478, 3) px, depth in the same unit, smaller is nearer.
        geometry: fits the head.

    Returns:
        (B, 52) in [0, 1]; other values than jawOpen and mouthClose are kept.
    """
    gains = _gains(expression.device)
    seen = (opening(geometry.in_head(mesh)) - TOUCHING_CM).clamp(min=0)
    said = expression @ gains
    said = torch.where(said < 0, said * (seen / PARTED_CM).clamp(max=1), said)
    missing = seen - said
    change = torch.zeros_like(expression)
    change[:, JAW_OPEN] = missing.clamp(min=0) / gains[JAW_OPEN]
    change[:, MOUTH_CLOSE] = missing.clamp(max=0) / gains[MOUTH_CLOSE]
    return (expression + change).clamp(0.0, 1.0)


@lru_cache(maxsize=4)
def _gains(device: torch.device) -> Tensor:
    """(52,) how far each value opens the lips, cm."""
    return opening(load_directions(device))


def opening(points: Tensor) -> Tensor:
    """Height between the lips, in the unit of points or displacements (..., 478, 3)."""
    return (points[..., list(UPPER), 1] - points[..., list(LOWER), 1]).mean(-1)
