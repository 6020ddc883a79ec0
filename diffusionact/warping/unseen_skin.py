"""Skin that the photo hardly saw: the broad colour of the skin beside it, with the fine detail of the other half."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .contours import neighbours
from .far_half import far_half, seen_aside, spread
from .rasteriser import gather, interpolate, rasterise, value_planes
from .sampling import blur, fill, mix, mix_into, polygon_coverage, sample, side_by_side, smoothstep, take
from .shading import Visible
from .topology import NUM_FACE, OVAL, SKIN, SURROUNDINGS, Topology, load_topology
from .values import WarpSource

# How well skin was seen, and how much its texture is magnified, where smooth skin takes over.
WELL_SEEN, BARELY_SEEN = 0.75, 0.25
MIN_STRETCH, MAX_STRETCH = 1.3, 2.2
# The same magnification on the far half of a turned face, whose other half is known.
FAR_MIN_STRETCH, FAR_MAX_STRETCH = 1.1, 1.7
# The broad light of the skin: side of the map on the canvas, blur in its px.
LIGHT_SIDE, LIGHT_SIGMA = 160, 1.6
# Part of the oval, from its middle, whose colours are skin that was seen.
SKIN_SHARE = 0.97
SURELY_PERSON = 0.98
MAX_DETAIL = 0.12
# What differs so much from the skin's broad colour is hair, a finger or a frame of glasses, and is not taken across.
OTHER_THAN_SKIN = (0.3, 0.15)
# Nostrils are no skin either, but go along in all their darkness: middle in the canonical face, and reach, cm.
NOSTRIL, NOSTRIL_REACH, NOSTRIL_DETAIL = (0.85, -1.35), (0.85, 0.5), 0.5
MIN_SHARE = 0.02
FILLED_CONFIDENCE = 0.4
# A pixel and its neighbours, row by row, and their weights.
AROUND = tuple((x, y) for y in (-1, 0, 1) for x in (-1, 0, 1))
BINOMIAL = tuple(a * b / 16 for a in (1, 2, 1) for b in (1, 2, 1))


@dataclass(frozen=True)
class UnseenSkin:
    """Triangles of skin that the photo hardly saw.

    Attributes:
        triangles: (T,) the rank of each triangle among those concerned, -1 for the others.
        faces: (M, 3) the triangles concerned.
        values: (N, 6) of each vertex: grid place on the other half (2), need of other skin where it is drawn out much
            and where a little, how well its counterpart was seen, how much it is nostril.
    """

    triangles: Tensor
    faces: Tensor
    values: Tensor


def skin_light(texture: Tensor, matte: Tensor, positions: Tensor, plane: Tensor, aside: Tensor) -> Tensor:
    """The skin's broad colour where the photo shows it well, continued beyond, (3, LIGHT_SIDE, LIGHT_SIDE).

    Args:
        texture: (3, side, side), the canvas.
        matte: (1, side, side), how much of a pixel is the person.
        positions: (N, 2) grid coordinates of the vertices.
        plane: (468, 3) the face on the plane.
        aside: (468,) see `seen_aside`.
    """
    small = F.interpolate(torch.cat([texture, matte])[None], size=(LIGHT_SIDE, LIGHT_SIDE), mode="area")[0]
    small, person = small[:3], small[3:]
    axis = (torch.arange(LIGHT_SIDE, device=texture.device) + 0.5) / LIGHT_SIDE * 2 - 1
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    oval = positions[list(OVAL)]
    skin = polygon_coverage(*grid.unbind(-1), mix(oval.mean(0), oval, SKIN_SHARE), 2 / LIGHT_SIDE)[None]
    lit = ((skin > 0.9) & (person > SURELY_PERSON)).float() * _lit(positions[:NUM_FACE], plane, aside)
    return blur(fill(small, lit, (LIGHT_SIGMA, 3 * LIGHT_SIGMA, 9 * LIGHT_SIGMA)), LIGHT_SIGMA)


def _lit(positions: Tensor, plane: Tensor, aside: Tensor) -> Tensor:
    """(1, LIGHT_SIDE, LIGHT_SIDE) 1 where pixels show the face, 0 where they show it from aside on the far half."""
    topology = load_topology(plane.device)
    faces = topology.faces[: topology.num_face_triangles]
    screen = torch.cat([(positions + 1) * (LIGHT_SIDE / 2) - 0.5, plane[:, 2:] * LIGHT_SIDE], dim=1)
    triangle = rasterise(screen, faces, LIGHT_SIDE, LIGHT_SIDE)
    axis = torch.arange(LIGHT_SIDE, device=plane.device)
    return interpolate(value_planes(screen, faces, 1 - aside[:, None]), triangle, axis, axis[:, None]) * (triangle >= 0)


def find_unseen_skin(source: WarpSource, topology: Topology) -> UnseenSkin:
    """Find the skin that was not well seen."""
    oval = list(OVAL)
    positions, seen = source.positions.clone(), source.seen.clone()
    positions[:NUM_FACE], seen[:NUM_FACE] = positions[topology.mirror], seen[topology.mirror]
    plane = source.placement.place(source.shape[None, :NUM_FACE])[0]
    aside = seen_aside(source.rotation[0], source.shape[:NUM_FACE], plane)
    needs = torch.stack([smoothstep(WELL_SEEN, BARELY_SEEN, source.seen[:NUM_FACE]), aside], dim=1)
    needs = spread(needs, topology) if aside.any() else needs
    # Where the photo goes on beside the face, no edge of the fill may show.
    needs[oval, 0] *= far_half(source.rotation[0], source.shape[oval])
    needs = torch.cat([needs, needs.new_zeros(len(positions) - NUM_FACE, 2)])
    poor = (needs > 0).any(1)[topology.faces].any(1) & (topology.labels == SKIN)
    triangles = torch.where(poor, poor.cumsum(0) - 1, -1)
    values = torch.cat([positions, needs, seen[:, None], _nostrils(topology, len(positions))], dim=1)
    return UnseenSkin(triangles, topology.faces[poor], values)


def _nostrils(topology: Topology, vertices: int) -> Tensor:
    """(vertices, 1) in [0, 1] how much each is nostril."""
    canonical = topology.canonical
    places = torch.stack([canonical[:, 0].abs(), canonical[:, 1]], dim=-1)
    amount = canonical.new_zeros(vertices, 1)
    amount[:NUM_FACE, 0] = smoothstep(*NOSTRIL_REACH, (places - places.new_tensor(NOSTRIL)).norm(dim=-1))
    return amount


def fill_unseen_skin(
    unseen: UnseenSkin,
    source: WarpSource,
    texture: Tensor,
    visible: Visible,
    magnified: Tensor,
    needed: Tensor,
    image: Tensor,
    trust: Tensor,
) -> None:
    """Write skin into image and trust, in place, where the mesh would draw out what was barely seen.

    Args:
        unseen: made ready.
        source: for the light on the skin.
        texture: (3, side, side) the photo.
        visible: what each pixel shows.
        magnified: (N,) magnification of the texture at the vertices.
        needed: () in [0, 1], how much of it all is wanted.
        image: (3, H, W).
        trust: (H, W).
    """
    drawn = (magnified > MIN_STRETCH)[unseen.faces].any(1)
    if needed <= 0 or not drawn.any():
        return
    rank = torch.where(drawn, torch.arange(len(drawn), device=drawn.device), -1)
    rank = torch.cat([rank, rank.new_tensor([-1])])[unseen.triangles]  # -1 takes the last entry
    rank = torch.cat([rank.new_tensor([-1]), rank])  # of no triangle, and of each
    corner, extent = _box(visible.screen[unseen.faces[drawn].flatten(), :2], visible.triangle.shape)
    rows, columns = (slice(low, low + size) for low, size in zip(corner, extent, strict=True))
    rank = gather(rank, visible.triangle[rows, columns] + 1).flatten()
    inside = (rank >= 0).nonzero()[:, 0]
    width = visible.triangle.shape[1]
    y, x = inside // extent[1] + corner[0], inside % extent[1] + corner[1]
    pixels, rank = y * width + x, rank[inside]
    vertices = torch.cat([unseen.values, magnified[:, None]], dim=1)
    values = interpolate(value_planes(visible.screen, unseen.faces, vertices), rank, x, y)
    there, (need, far_need, other, nostril, stretch) = side_by_side(*values[:2]), values[2:]
    share = (
        torch.maximum(
            smoothstep(MIN_STRETCH, MAX_STRETCH, stretch) * need,
            smoothstep(FAR_MIN_STRETCH, FAR_MAX_STRETCH, stretch) * far_need,
        ).clamp(0, 1)
        * needed
    )
    used = (share > MIN_SHARE).nonzero()[:, 0]
    pixels, other, share, nostril = (part.index_select(0, used) for part in (pixels, other, share, nostril))
    there = take(there, used)
    detail = sample(texture, there, "bicubic") - sample(source.skin_light, there)
    nostril = nostril * (detail.amax(0) < 0)
    like_skin = torch.maximum(smoothstep(*OTHER_THAN_SKIN, detail.abs().amax(0)), nostril)
    detail = detail.clamp(-mix(MAX_DETAIL, NOSTRIL_DETAIL, nostril), detail.new_tensor(MAX_DETAIL))
    detail = detail * (other.clamp(0, 1) * like_skin)
    skin = sample(source.skin_light, take(visible.grid.view(-1, 2), pixels)) + detail
    mix_into(image.view(3, -1), pixels, skin, share)
    sure = trust.view(-1)
    sure[pixels] = torch.maximum(sure[pixels], share * other * FILLED_CONFIDENCE)
    soften_end(visible.label, pixels, image)


def soften_end(label: Tensor, filled: Tensor, image: Tensor) -> None:
    """Blur the contour where filled pixels (P,) end before what lies behind the face, in place: it has no steps."""
    behind = (label >= SURROUNDINGS).flatten()
    around = neighbours(filled, label.shape, AROUND)
    contour = torch.zeros_like(behind)
    contour[around[:, gather(behind, around).any(0)].flatten()] = True
    around = neighbours(contour.nonzero()[:, 0], label.shape, AROUND)
    colours = image.view(3, -1)
    weights = image.new_tensor(BINOMIAL).view(1, -1, 1)
    colours[:, around[len(BINOMIAL) // 2]] = (colours[:, around] * weights).sum(1)


def _box(points: Tensor, shape: torch.Size) -> tuple[tuple[int, int], tuple[int, int]]:
    """First row and column, and how many, of an image that hold points (N, 2) px."""
    height, width = shape
    (left, top), (right, bottom) = torch.stack([points.amin(0).floor(), points.amax(0).ceil()]).tolist()
    top, bottom = (int(min(max(value, 0), height - 1)) for value in (top, bottom))
    left, right = (int(min(max(value, 0), width - 1)) for value in (left, right))
    return (top, left), (bottom - top + 1, right - left + 1)
