"""Surfaces that the photo hides and a turn uncovers, drawn between the background and the photo's own surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .rasteriser import gather, interpolate, rasterise, value_planes
from .sampling import mix, mix_into, sample, side_by_side, take
from .shading import Textures
from .topology import SURROUNDINGS

MIN_COVER = 0.01


@dataclass(frozen=True)
class Behind:
    """What lies behind the photo's own surfaces.

    Attributes:
        image: (3, H, W) in [0, 1].
        sure: (H, W) its confidence.
        alpha: (H, W) its opacity.
        shown: (H * W,) bool, pixels where it may be seen.
    """

    image: Tensor
    sure: Tensor
    alpha: Tensor
    shown: Tensor


@dataclass(frozen=True)
class Surface:
    """A surface of the person in a frame.

    Attributes:
        screen: (N, 3) px of the output.
        faces: (T, 3).
        values: (N, 7) of the vertices: grid place on the canvas (2), how far it covers what lies behind it, confidence
            at most, change of the photo's colour (3).
    """

    screen: Tensor
    faces: Tensor
    values: Tensor


def covering_surface(screen: Tensor, faces: Tensor, values: Tensor, share: Tensor, confidence: float) -> Surface:
    """A surface of vertices with a grid place (2), strength and change of colour (3) that has come out by a share."""
    grid, strength, light = values.split([2, 1, 3], dim=1)
    strength, sure = strength * share, torch.full_like(strength, confidence)
    drawn = gather(strength[:, 0] > 0, faces).any(1)
    return Surface(screen, faces[drawn], torch.cat([grid, strength, sure, light], dim=1))


def may_show(label: Tensor) -> Tensor:
    """(H * W,) where the parts (H, W) of a frame leave what lies behind to be seen: beside the face and at its edge."""
    around = label >= SURROUNDINGS
    shown = around.clone()
    for axis in (0, 1):
        count = label.shape[axis] - 1
        shown.narrow(axis, 0, count).logical_or_(around.narrow(axis, 1, count))
        shown.narrow(axis, 1, count).logical_or_(around.narrow(axis, 0, count))
    return shown.flatten()


def draw_behind(behind: Behind, textures: Textures, surface: Surface) -> None:
    """Draw a surface of the person on what lies behind it, in place."""
    screen, faces = surface.screen, surface.faces
    height, width = behind.sure.shape
    triangle = rasterise(screen, faces, height, width).flatten()
    pixels = ((triangle >= 0) & behind.shown).nonzero()[:, 0]
    values = interpolate(value_planes(screen, faces, surface.values), triangle[pixels], pixels % width, pixels // width)
    grid, (strength, sure), light = side_by_side(*values[:2]), values[2:4], values[4:]
    cover = sample(textures.matte, grid)[0].clamp(0, 1) * strength.clamp(0, 1)
    drawn = (cover > MIN_COVER).nonzero()[:, 0]
    pixels, cover, sure = (part.index_select(0, drawn) for part in (pixels, cover, sure))
    colours = (sample(textures.colour, take(grid, drawn)) + light.index_select(1, drawn)).clamp(0, 1)
    mix_into(behind.image.view(3, -1), pixels, colours, cover)
    known, alpha = behind.sure.view(-1), behind.alpha.view(-1)
    before = known[pixels]
    known[pixels] = mix(before, torch.minimum(before, sure), cover)
    alpha[pixels] = mix(alpha[pixels], 1.0, cover)
