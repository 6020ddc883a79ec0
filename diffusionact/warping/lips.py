"""How lips part and meet: a driver's shut mouth shuts any source's, and lips never cross.

Expression values are the same for all people only roughly. A source that smiles a little wider than its values say
would keep a slit where the driver's lips meet; so the opening is steered by what the values say about both.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from .sampling import smoothstep
from .topology import LIP_RING, NUM_FACE, load_topology

UPPER, LOWER = LIP_RING[1:10], LIP_RING[:10:-1]
MIDDLE = slice(3, 6)
# What the directions make of the values of shut mouths: up to the first opening lips count as touching, from the second
# on as open as the values say, cm.
TOUCHING_CM, OPEN_CM = 0.05, 0.25
# Below this opening the whole mouth shuts together, from corner to corner, cm.
SHUTTING_CM = 0.15
# Skin of the lips follows their inner edge over this distance, cm.
FOLLOW_CM = 0.8


def lip_gap(points: Tensor) -> Tensor:
    """Height (..., 9) between the pairs of the inner lips, cm; points (..., 478, 3) or displacements."""
    return points[..., list(UPPER), 1] - points[..., list(LOWER), 1]


def meet_lips(shape: Tensor, change: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Steer the opening of the mouth: shut where the driver's values are those of a shut mouth.

    Args:
        shape: (478, 3) cm.
        change: (F, 478, 3) cm.
        before: (478, 3) cm, what the source's expression values do to a neutral face.
        after: (F, 478, 3) cm, what the wanted ones do.

    Returns:
        (F, 478, 3) cm.
    """
    own, linear = lip_gap(shape), lip_gap(shape + change)
    values_before, values_after = (_parted(lip_gap(moved)[..., MIDDLE].mean(-1)) for moved in (before, after))
    middle = own[MIDDLE].mean().clamp(min=0)
    closing = middle * values_after / values_before.clamp(min=1e-3)
    wanted = torch.where(values_after < values_before, closing, middle + values_after - values_before)
    profile = torch.linspace(0, torch.pi, 11, device=shape.device)[1:-1].sin()
    gap = linear + profile * (wanted - linear[:, MIDDLE].mean(1))[:, None]
    # A mouth that shuts does so as a whole; one that is as the photo has it keeps every detail.
    shut = smoothstep(0.0, 1.0, wanted / middle.clamp(1e-3, SHUTTING_CM))
    gap = gap.clamp(min=0) * shut[:, None]
    return change + _followed((gap - linear) / 2)


def _parted(gap: Tensor) -> Tensor:
    """What a gap (*S,) between the lips counts for, cm."""
    return gap * smoothstep(TOUCHING_CM, OPEN_CM, gap)


def _followed(half: Tensor) -> Tensor:
    """(F, 478, 3) displacement of the whole mesh where the pairs of the inner lips part by twice (F, 9) cm."""
    weights = _follow_weights(half.device)
    change = half.new_zeros(len(half), weights.shape[0], 3)
    change[..., 1] = torch.cat([half, -half], dim=1) @ weights.T
    return change


@lru_cache(maxsize=4)
def _follow_weights(device: torch.device) -> Tensor:
    """(478, 18) how far each point goes with each of the inner lips' points, the upper ones first."""
    canonical = load_topology(device).canonical
    ring = canonical[list(UPPER + LOWER)]
    distance = torch.cdist(canonical, ring)
    corners = canonical[[LIP_RING[0], LIP_RING[10]]]
    near = (-(distance / 0.3).square()).exp() + 1e-12
    share = near / near.sum(1, keepdim=True) * (-(distance.amin(1, keepdim=True) / FOLLOW_CM).square()).exp()
    # The corners hold still, and so does what lies nearer to them than to the lips.
    share = share * smoothstep(0.0, 0.5, torch.cdist(canonical, corners).amin(1, keepdim=True))
    share[list(UPPER + LOWER)] = torch.eye(18, device=device)
    return torch.cat([share, share.new_zeros(478 - NUM_FACE, 18)])


def keep_lips_apart(shape: Tensor, change: Tensor) -> Tensor:
    """Inner lips may touch; where they would cross, both stop halfway. (F, 478, 3) cm."""
    moved = shape + change
    upper, lower = list(UPPER), list(LOWER)
    overlap = (moved[:, lower, 1] - moved[:, upper, 1]).clamp(min=0)
    moved[:, upper, 1] += overlap / 2
    moved[:, lower, 1] -= overlap / 2
    return moved - shape
