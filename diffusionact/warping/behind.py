"""Surfaces that the photo hides and a turn uncovers, drawn between the background and the photo's own surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .rasteriser import interpolate, rasterise, value_planes
from .sampling import mix, sample
from .shading import Textures


@dataclass(frozen=True)
class Behind:
    """What lies behind the photo's own surfaces.

    Attributes:
        image: (3, H, W) in [0, 1].
        sure: (H, W) its confidence.
    """

    image: Tensor
    sure: Tensor


def draw_behind(
    behind: Behind, textures: Textures, screen: Tensor, faces: Tensor, values: Tensor, share: Tensor, confidence: float
) -> Behind:
    """A surface of the person on what lies behind it.

    Args:
        behind: what is there already.
        textures: of the source.
        screen: (N, 3) px of the output.
        faces: (T, 3).
        values: (N, 6) of the vertices: grid place on the canvas (2), strength, change of colour (3).
        share: () how far the surface has come out.
        confidence: of what is drawn, at most; where what lies behind is known less, no more is known now.
    """
    image, sure = behind.image.clone(), behind.sure.clone()
    height, width = sure.shape
    triangle = rasterise(screen, faces, height, width).flatten()
    pixels = (triangle >= 0).nonzero()[:, 0]
    places = torch.stack([pixels % width, pixels // width], dim=-1).float()
    drawn = interpolate(value_planes(screen, faces, values), triangle[pixels], places)
    grid, strength, light = drawn.split([2, 1, 3], dim=1)
    cover = sample(textures.matte, grid)[0].clamp(0, 1) * strength[:, 0].clamp(0, 1) * share
    colours = (sample(textures.colour, grid, "bicubic") + light.T).clamp(0, 1)
    flat = image.view(3, -1)
    flat[:, pixels] = mix(flat[:, pixels], colours, cover)
    known = sure.view(-1)[pixels]
    sure.view(-1)[pixels] = mix(known, known.clamp(max=confidence), cover)
    return Behind(image, sure)
