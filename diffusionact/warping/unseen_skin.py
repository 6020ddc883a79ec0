"""Skin that the photo hardly saw: the broad colour of the skin beside it, with the fine detail of the other half."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .confidence import face_normals
from .rasteriser import gather, interpolate, rasterise, value_planes
from .sampling import blur, fill, mix, pixel_centres, polygon_coverage, sample, smoothstep
from .shading import Visible
from .topology import NUM_FACE, OVAL, SKIN, Topology, load_topology
from .values import WarpSource

# Cosine between skin and camera in the photo, and magnification of the texture, where the fill takes over.
WELL_SEEN, BARELY_SEEN = 0.65, 0.25
MIN_STRETCH, MAX_STRETCH = 1.1, 1.7
# Skin that looks away more than this does not tell the light beside it.
LIT_COSINE = (0.3, 0.5)
# The broad light of the skin: side of the map on the canvas, blur in its px.
LIGHT_SIDE, LIGHT_SIGMA = 160, 1.6
# Part of the oval, from its middle, whose colours are skin that was seen.
SKIN_SHARE = 0.97
SURELY_PERSON = 0.98
MAX_DETAIL = 0.12
MIN_SHARE = 0.02
FILLED_CONFIDENCE = 0.4


@dataclass(frozen=True)
class UnseenSkin:
    """Triangles of skin that the photo hardly saw.

    Attributes:
        triangles: (T,) the rank of each triangle among those concerned, -1 for the others.
        faces: (M, 3) the triangles concerned.
        values: (N, 4) of each vertex: grid place on the other half (2), how well either half was seen.
    """

    triangles: Tensor
    faces: Tensor
    values: Tensor


def skin_light(texture: Tensor, matte: Tensor, positions: Tensor, plane: Tensor) -> Tensor:
    """The skin's broad colour where the photo shows it well, continued beyond, (3, LIGHT_SIDE, LIGHT_SIDE).

    Args:
        texture: (3, side, side), the canvas.
        matte: (1, side, side), how much of a pixel is the person.
        positions: (N, 2) grid coordinates of the vertices.
        plane: (468, 3) the face on the plane.
    """
    small = F.interpolate(torch.cat([texture, matte])[None], size=(LIGHT_SIDE, LIGHT_SIDE), mode="area")[0]
    small, person = small[:3], small[3:]
    axis = (torch.arange(LIGHT_SIDE, device=texture.device) + 0.5) / LIGHT_SIDE * 2 - 1
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    oval = positions[list(OVAL)]
    skin = polygon_coverage(grid, mix(oval.mean(0), oval, SKIN_SHARE), 2 / LIGHT_SIDE)[None]
    lit = ((skin > 0.9) & (person > SURELY_PERSON)).float() * _lit(positions[:NUM_FACE], plane)
    return blur(fill(small, lit, (LIGHT_SIGMA, 3 * LIGHT_SIGMA, 9 * LIGHT_SIGMA)), LIGHT_SIGMA)


def _lit(positions: Tensor, plane: Tensor) -> Tensor:
    """(1, LIGHT_SIDE, LIGHT_SIDE) how well the photo's pixels show the face that lies there."""
    topology = load_topology(plane.device)
    faces = topology.faces[: topology.num_face_triangles]
    screen = torch.cat([(positions + 1) * (LIGHT_SIDE / 2) - 0.5, plane[:, 2:] * LIGHT_SIDE], dim=1)
    triangle = rasterise(screen, faces, LIGHT_SIDE, LIGHT_SIDE)
    pixels = pixel_centres(LIGHT_SIDE, LIGHT_SIDE, plane.device)
    cosine = interpolate(value_planes(screen, faces, face_normals(plane)[:, 2:]), triangle, pixels)[..., 0]
    return smoothstep(*LIT_COSINE, cosine)[None] * (triangle >= 0)


def find_unseen_skin(source: WarpSource, topology: Topology) -> UnseenSkin:
    """Find the skin that was not well seen."""
    positions, known = source.positions.clone(), _known(source, topology)
    positions[:NUM_FACE] = positions[topology.mirror]
    other = known.clone()
    other[:NUM_FACE] = known[topology.mirror]
    poor = (known < 1)[topology.faces].any(1) & (topology.labels == SKIN)
    triangles = torch.where(poor, poor.cumsum(0) - 1, -1)
    values = torch.cat([positions, known[:, None], other[:, None]], dim=1)
    return UnseenSkin(triangles, topology.faces[poor], values)


def _known(source: WarpSource, topology: Topology) -> Tensor:
    """(N,) how well the photo shows the skin around each vertex; what hides it is a step, which neighbours smooth."""
    faces = topology.faces[: topology.num_face_triangles]
    cosine = face_normals(source.placement.place(source.shape[None, :NUM_FACE])[0])[:, 2]
    known = torch.minimum(smoothstep(BARELY_SEEN, WELL_SEEN, cosine), source.seen[:NUM_FACE])
    least = known[faces].amin(1)
    known = known.scatter_reduce(0, faces.flatten(), least.repeat_interleave(3), "amin")
    total = torch.zeros_like(known).index_add_(0, faces.flatten(), known[faces].mean(1).repeat_interleave(3))
    count = torch.zeros_like(known).index_add_(0, faces.flatten(), torch.ones_like(least).repeat_interleave(3))
    return torch.cat([total / count.clamp(min=1), torch.ones_like(source.seen[NUM_FACE:])])


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
    share = smoothstep(MIN_STRETCH, MAX_STRETCH, stretch) * (1 - seen).clamp(0, 1)
    used = (share > MIN_SHARE).nonzero()[:, 0]
    pixels, there, other, share = pixels[used], there[used], other[used], share[used]
    detail = sample(texture, there, "bicubic") - sample(source.skin_light, there)
    detail = detail.clamp(-MAX_DETAIL, MAX_DETAIL) * other.clamp(0, 1)
    skin = sample(source.skin_light, visible.grid.view(-1, 2)[pixels]) + detail
    colours, sure = image.view(3, -1), trust.view(-1)
    colours[:, pixels] = mix(colours[:, pixels], skin, share)
    sure[pixels] = torch.maximum(sure[pixels], share * other * FILLED_CONFIDENCE)
