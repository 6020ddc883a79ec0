"""The outline of head and hair on the spokes around the face, told by the matte, and the depth that follows from it.

Seen from the front, a head's surface falls back to its outline as an ellipse does: slowly beside the face, steeply at
the outline. Where the matte shows no outline (the neck, a photo's edge) the skull of `surroundings.py` stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .sampling import sample, smoothstep
from .surroundings import SKULL_CENTRE, spokes
from .topology import NUM_FACE, OVAL, RINGS, SPOKES
from .values import WarpSource

# An outline nearer to the oval, or farther from it, than this is none, cm.
MIN_REACH_CM, MAX_REACH_CM = 0.25, 9.0
# Background between strands may be this many rings wide.
MAX_GAP = 1
# Outlines are smooth along the spokes: sigma in spokes.
SMOOTH_SPOKES = 1.5
# Heights in head space over which the head's outline goes over into the neck's, cm.
NECK_CM = (-8.0, -4.0)
# Neighbouring outlines that differ by more than this share of their reach are doubtful.
ROUGH = (0.5, 0.2)


@dataclass(frozen=True)
class Outline:
    """Of the head on each of S spokes.

    Attributes:
        start: (S,) cm from the skull's centre to the oval, in the photo's plane.
        reach: (S,) cm from the oval to the outline.
        sure: (S,) in [0, 1], 0 where there is none.
        away: (R, S) cm from the oval to each ring.
        depth: (S,) cm from the skull's centre to the oval along the view.
    """

    start: Tensor
    reach: Tensor
    sure: Tensor
    away: Tensor
    depth: Tensor

    def depth_radius(self, least: Tensor) -> Tensor:
        """(S,) cm, half the head's depth behind the outline: the ellipse's own, but at least a plain skull's."""
        inner = self.start / (self.start + self.reach)
        own = self.depth / (1 - inner.square()).clamp(min=1e-6).sqrt()
        return torch.maximum(own.clamp(max=1.3 * least), least)

    def fall(self, share: Tensor) -> Tensor:
        """(*R, S) depth, cm from the skull's centre, at distances from the oval as shares (*R, S) of the reach."""
        inner = self.start / (self.start + self.reach)
        across = (self.start + share * self.reach) / (self.start + self.reach)
        falls = ((1 - across.square()).clamp(min=0) / (1 - inner.square()).clamp(min=1e-6)).clamp(max=1)
        return self.depth * falls.sqrt()


def find_outline(source: WarpSource, matte: Tensor) -> Outline:
    """Follow the spokes from the face oval to where the person ends; matte (1, side, side)."""
    oval = spokes(source.positions[list(OVAL)])
    rings = source.positions[NUM_FACE:].view(RINGS, SPOKES, 2)
    cm = torch.linalg.det(source.to_grid[:, :2]).abs().sqrt() * 128 * source.scale
    away = (rings - oval).norm(dim=-1) / cm
    person = sample(matte, rings)[0].clamp(0, 1) * sample(source.inside, rings)[0].clamp(0, 1)
    reach, found = _reach(person, away)
    # An outline at the photo's edge is the edge's.
    held = sample(source.inside, oval + (rings[-1] - oval) * ((reach + 1.0) / away[-1]).clamp(max=1)[:, None])[0] > 0.5
    head = spokes(source.shape[list(OVAL)])
    centre = head.new_tensor(SKULL_CENTRE)
    ray = source.rotation[0, 2]
    flat = head - centre
    flat = flat - (flat @ ray)[:, None] * ray
    smooth, share = _smoothed(reach, (found & held).float())
    rough = (smooth - reach).abs() / smooth.clamp(min=0.5)
    sure = share * smoothstep(*ROUGH, rough) * smoothstep(*NECK_CM, head[:, 1])
    return Outline(flat.norm(dim=-1), smooth, sure, away, (head - centre) @ ray)


def depth_on_outline(source: WarpSource, outline: Outline) -> Tensor:
    """(K, 3) cm, the rings' points in head space at the depth that their outline asks for."""
    ray = source.rotation[0, 2]
    points = source.ring_points.view(RINGS, SPOKES, 3)
    centre = points.new_tensor(SKULL_CENTRE)
    now = (points - centre) @ ray
    wanted = outline.fall(outline.away / outline.reach)
    return (points + ((wanted - now) * outline.sure)[..., None] * ray).flatten(0, 1)


def _reach(person: Tensor, away: Tensor) -> tuple[Tensor, Tensor]:
    """(S,) cm from the oval to the outline of the person (R, S) on rings at `away` (R, S) cm, and whether there is."""
    inside = person > 0.5
    for _ in range(MAX_GAP):
        inside = inside | (inside.roll(1, 0) & inside.roll(-1, 0))
    last = inside.long().cumprod(0).sum(0)  # rings before the first that shows none
    column = torch.arange(person.shape[1], device=person.device)
    after = last.clamp(max=len(person) - 1)
    before = (last - 1).clamp(min=0)
    first, second = person[before, column], person[after, column]
    part = ((first - 0.5) / (first - second).clamp(min=1e-3)).clamp(0, 1)
    reach = torch.lerp(away[before, column], away[after, column], part)
    found = (last > 0) & (last < len(person)) & (reach > MIN_REACH_CM) & (reach < MAX_REACH_CM)
    return reach.clamp(MIN_REACH_CM, MAX_REACH_CM), found


def _smoothed(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Values (S,) with weights (S,) averaged along the closed row of spokes, and the weights averaged."""
    offset = torch.arange(-4, 5, device=values.device)
    kernel = (-0.5 * (offset / SMOOTH_SPOKES).square()).exp()
    kernel = kernel / kernel.sum()
    around = (torch.arange(len(values), device=values.device)[:, None] + offset) % len(values)
    share = (weight[around] * kernel).sum(1)
    mean = (weight[around] * values[around] * kernel).sum(1) / share.clamp(min=1e-4)
    return torch.where(share > 1e-3, mean, values), share
