"""Skin that the photo hardly saw: the broad colour of the skin beside it, with the fine detail of the other half."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .rasteriser import gather, interpolate, value_planes
from .sampling import blur, fill, mix, polygon_coverage, sample, smoothstep
from .shading import Visible
from .surroundings import spokes
from .topology import NUM_FACE, OVAL, RINGS, SKIN, SURROUNDINGS, Topology, mirrored_rings
from .values import WarpSource

# How well skin was seen, and how much its texture is magnified, where the fill takes over.
WELL_SEEN, BARELY_SEEN = 0.75, 0.25
MIN_STRETCH, MAX_STRETCH = 1.2, 1.9
# Height on the canonical face, cm, above the brows.
HAIR_CM = (6.5, 4.5)
# The fill ends in a narrow strip beside the oval: the oval's displacement there, see `ring_follow`.
STRIP_FOLLOW = (0.95, 0.99)
# The broad light of the skin: side of the map on the canvas, blur in its px.
LIGHT_SIDE, LIGHT_SIGMA = 160, 1.6
# Part of the oval, from its middle, whose colours are skin that was seen.
SKIN_SHARE = 0.97
SURELY_PERSON = 0.98
MAX_DETAIL = 0.06
MIN_SHARE = 0.02
FILLED_CONFIDENCE = 0.4


@dataclass(frozen=True)
class UnseenSkin:
    """Triangles of skin that the photo hardly saw.

    Attributes:
        triangles: (T,) the rank of each triangle among those concerned, -1 for the others.
        faces: (M, 3) the triangles concerned.
        values: (N, 4) of each vertex: grid place on the other half (2), how well either half was seen.
        inner: (36,) the vertex inside of each of the oval's.
    """

    triangles: Tensor
    faces: Tensor
    values: Tensor
    inner: Tensor


def skin_light(texture: Tensor, matte: Tensor, positions: Tensor) -> Tensor:
    """The skin's broad colour, continued around the face, (3, LIGHT_SIDE, LIGHT_SIDE).

    Args:
        texture: (3, side, side), the canvas.
        matte: (1, side, side), how much of a pixel is the person.
        positions: (N, 2) grid coordinates of the vertices.
    """
    small = F.interpolate(torch.cat([texture, matte])[None], size=(LIGHT_SIDE, LIGHT_SIDE), mode="area")[0]
    small, person = small[:3], small[3:]
    axis = (torch.arange(LIGHT_SIDE, device=texture.device) + 0.5) / LIGHT_SIDE * 2 - 1
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    oval = positions[list(OVAL)]
    skin = polygon_coverage(grid, mix(oval.mean(0), oval, SKIN_SHARE), 2 / LIGHT_SIDE)[None]
    return blur(
        fill(small, ((skin > 0.9) & (person > SURELY_PERSON)).float(), (LIGHT_SIGMA, 3 * LIGHT_SIGMA, 9 * LIGHT_SIGMA)),
        LIGHT_SIGMA,
    )


def find_unseen_skin(source: WarpSource, topology: Topology) -> UnseenSkin:
    """Find the skin that was not well seen: at the photo's outline of the face, and where it shows background."""
    seen = source.seen * sample(source.matte, source.positions)[0]
    seen[NUM_FACE:] = 1 - source.ring_skirt * smoothstep(*STRIP_FOLLOW, source.ring_follow)
    mirrored = torch.cat([topology.mirror, NUM_FACE + mirrored_rings(seen.device)])
    seen = torch.stack([mix(1.0, _eroded(seen, topology), _below_hair(topology)), seen[mirrored]], dim=1)
    concerned = torch.isin(topology.labels, topology.labels.new_tensor((SKIN, SURROUNDINGS)))
    poor = concerned & (seen[:, 0] < WELL_SEEN)[topology.faces].any(1)
    triangles = torch.where(poor, poor.cumsum(0) - 1, -1)
    values = torch.cat([source.positions[mirrored], seen], dim=1)
    return UnseenSkin(triangles, topology.faces[poor], values, _inside_the_oval(source.positions, topology))


def _below_hair(topology: Topology) -> Tensor:
    """(N,) 1 at cheeks and jaw, 0 at temples and forehead, where hair may lie over the oval and is best drawn out."""
    height = topology.canonical[:, 1:2]
    return smoothstep(*HAIR_CM, torch.cat([height, spokes(height[list(OVAL)]).repeat(RINGS, 1)])[:, 0])


def _eroded(seen: Tensor, topology: Topology) -> Tensor:
    """(N,) the least of each vertex of the skin and its neighbours: the photo's outline has rims and strands in it."""
    faces = topology.faces[topology.labels == SKIN]
    least = seen[faces].amin(1).repeat_interleave(3)
    return seen.scatter_reduce(0, faces.flatten(), least, "amin")


def _inside_the_oval(positions: Tensor, topology: Topology) -> Tensor:
    """(36,) the nearest vertex, other than the oval's, that shares a triangle with each vertex of the oval."""
    faces = topology.faces[: topology.num_face_triangles]
    oval = faces.new_tensor(OVAL)
    inner = []
    for vertex in oval:
        around = faces[(faces == vertex).any(1)].unique()
        around = around[~torch.isin(around, oval)]
        inner.append(around[(positions[around] - positions[vertex]).norm(dim=1).argmin()])
    return torch.stack(inner)


def fill_unseen_skin(
    unseen: UnseenSkin,
    source: WarpSource,
    texture: Tensor,
    visible: Visible,
    magnified: Tensor,
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
        image: (3, H, W).
        trust: (H, W).
    """
    magnified = _across_the_oval(unseen, source, magnified)
    drawn = (magnified > MIN_STRETCH)[unseen.faces].any(1)
    rank = torch.where(drawn, torch.arange(len(drawn), device=drawn.device), -1)
    rank = torch.cat([rank, rank.new_tensor([-1])])[unseen.triangles]  # -1 takes the last entry
    rank = torch.where(visible.triangle >= 0, gather(rank, visible.triangle.clamp(min=0)), -1).flatten()
    pixels = (rank >= 0).nonzero()[:, 0]
    width = visible.triangle.shape[1]
    positions = torch.stack([pixels % width, pixels // width], dim=-1).float()
    vertices = torch.cat([unseen.values, magnified[:, None]], dim=1)
    values = interpolate(value_planes(visible.screen, unseen.faces, vertices), rank[pixels], positions)
    there, (seen, other, stretch) = values[:, :2], values[:, 2:].unbind(1)
    share = smoothstep(MIN_STRETCH, MAX_STRETCH, stretch) * smoothstep(WELL_SEEN, BARELY_SEEN, seen)
    used = (share > MIN_SHARE).nonzero()[:, 0]
    pixels, there, other, share = pixels[used], there[used], other[used], share[used]
    detail = sample(texture, there, "bicubic") - sample(source.skin_light, there)
    detail = detail.clamp(-MAX_DETAIL, MAX_DETAIL) * other.clamp(0, 1)
    skin = sample(source.skin_light, visible.grid.view(-1, 2)[pixels]) + detail
    colours, sure = image.view(3, -1), trust.view(-1)
    colours[:, pixels] = mix(colours[:, pixels], skin, share)
    sure[pixels] = torch.maximum(sure[pixels], share * other * FILLED_CONFIDENCE)


def _across_the_oval(unseen: UnseenSkin, source: WarpSource, magnified: Tensor) -> Tensor:
    """Magnification (N,) that goes on beside the oval, where the texture is no skin, however little drawn out."""
    oval = list(OVAL)
    most = torch.maximum(magnified[oval], magnified[unseen.inner])
    around = spokes(most[:, None])[:, 0].repeat(RINGS)
    magnified = magnified.clone()
    magnified[oval] = most
    magnified[NUM_FACE:] = torch.maximum(magnified[NUM_FACE:], mix(1.0, around, source.ring_skirt))
    return magnified
