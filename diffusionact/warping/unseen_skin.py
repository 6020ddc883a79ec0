"""Skin that the photo hardly saw: the broad colour of the skin beside it, with the fine detail of the other half."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .rasteriser import interpolate, value_planes
from .sampling import blur, fill, mix, polygon_coverage, sample, smoothstep
from .topology import NUM_FACE, OVAL, SKIN, Topology
from .values import WarpSource

# How well skin was seen, and how much its texture is magnified, where the fill takes over.
WELL_SEEN, BARELY_SEEN = 0.75, 0.25
MIN_STRETCH, MAX_STRETCH = 1.3, 2.2
# The broad light of the skin: side of the map on the canvas, blur in its px.
LIGHT_SIDE, LIGHT_SIGMA = 160, 1.6
# Part of the oval, from its middle, whose colours are skin that was seen.
SKIN_SHARE = 0.97
SURELY_PERSON = 0.98
MAX_DETAIL = 0.06
MIRRORED_CONFIDENCE = 0.4


@dataclass(frozen=True)
class Mirror:
    """What the renderer holds to mirror with.

    Attributes:
        triangles: (T,) the rank of each triangle among those concerned, -1 for the others.
        faces: (M, 3) the triangles concerned.
        values: (N, 4) of each vertex: grid place on the other half (2), how well either half was seen.
    """

    triangles: Tensor
    faces: Tensor
    values: Tensor


def skin_light(texture: Tensor, matte: Tensor, places: Tensor) -> Tensor:
    """The skin's broad colour, continued around the face, (3, LIGHT_SIDE, LIGHT_SIDE).

    Args:
        texture: (3, side, side), the canvas.
        matte: (1, side, side), how much of a pixel is the person.
        places: (N, 2) grid coordinates of the vertices.
    """
    small = F.interpolate(torch.cat([texture, matte])[None], size=(LIGHT_SIDE, LIGHT_SIDE), mode="area")[0]
    small, person = small[:3], small[3:]
    axis = (torch.arange(LIGHT_SIDE, device=texture.device) + 0.5) / LIGHT_SIDE * 2 - 1
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    oval = places[list(OVAL)]
    skin = polygon_coverage(grid, mix(oval.mean(0), oval, SKIN_SHARE), 2 / LIGHT_SIDE)[None]
    return blur(
        fill(small, ((skin > 0.9) & (person > SURELY_PERSON)).float(), (LIGHT_SIGMA, 3 * LIGHT_SIGMA, 9 * LIGHT_SIGMA)),
        LIGHT_SIGMA,
    )


def prepare_mirror(source: WarpSource, topology: Topology) -> Mirror:
    """Find the skin that was not well seen."""
    places, seen = source.places.clone(), source.seen.clone()
    places[:NUM_FACE], seen[:NUM_FACE] = places[topology.mirror], seen[topology.mirror]
    poor = (source.seen < WELL_SEEN)[topology.faces].any(1) & (topology.labels == SKIN)
    triangles = torch.where(poor, poor.cumsum(0) - 1, -1)
    values = torch.cat([places, source.seen[:, None], seen[:, None]], dim=1)
    return Mirror(triangles, topology.faces[poor], values)


def mirror_skin(
    mirror: Mirror,
    texture: Tensor,
    light: Tensor,
    screen: Tensor,
    drawn_out: Tensor,
    triangle: Tensor,
    grid: Tensor,
    image: Tensor,
) -> tuple[Tensor, Tensor]:
    """Write mirrored skin into an image, in place.

    Args:
        mirror: made ready.
        texture: (3, side, side).
        light: see `skin_light`.
        screen: (N, 3) px.
        drawn_out: (N,) magnification of the texture at the vertices.
        triangle: (H, W) what each pixel shows.
        grid: (H, W, 2) where each pixel's own texture lies.
        image: (3, H, W).

    Returns:
        Flat indices (M,) of the pixels written to, and the confidence (M,) that they have at least.
    """
    drawn = (drawn_out > MIN_STRETCH)[mirror.faces].any(1)
    rank = torch.where(drawn, torch.arange(len(drawn), device=drawn.device), -1)
    rank = torch.cat([rank, rank.new_tensor([-1])])[mirror.triangles]  # -1 takes the last entry
    rank = torch.where(triangle >= 0, rank[triangle], -1).flatten()
    pixels = (rank >= 0).nonzero()[:, 0]
    width = triangle.shape[1]
    places = torch.stack([pixels % width, pixels // width], dim=-1).float()
    vertices = torch.cat([mirror.values, drawn_out[:, None]], dim=1)
    values = interpolate(value_planes(screen, mirror.faces, vertices), rank[pixels], places)
    there, (seen, other, stretch) = values[:, :2], values[:, 2:].unbind(1)
    share = smoothstep(MIN_STRETCH, MAX_STRETCH, stretch) * smoothstep(WELL_SEEN, BARELY_SEEN, seen)
    here = grid.reshape(-1, 2)[pixels]
    detail = (sample(texture, there, "bicubic") - sample(light, there)).clamp(-MAX_DETAIL, MAX_DETAIL)
    detail = detail * other.clamp(0, 1)
    flat = image.view(3, -1)
    flat[:, pixels] = mix(flat[:, pixels], sample(light, here) + detail, share)
    return pixels, share * MIRRORED_CONFIDENCE
