"""How far a warped pixel may be trusted: the photo faced this surface, saw it, and it is not drawn out."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from .rasteriser import gather, interpolate, rasterise, value_planes
from .sampling import smoothstep
from .topology import NUM_FACE, load_topology

# Cosine between the surface and the camera in the photo.
WELL_SEEN, BARELY_SEEN = 0.35, 0.08
# A point counts as hidden if something lies this much nearer, cm.
MIN_HIDING_CM, MAX_HIDING_CM = 0.4, 1.0
# Magnification of the texture, beyond the change of scale.
GOOD_STRETCH, BAD_STRETCH = 1.35, 2.6
MAX_STRETCH = 6.0
VISIBILITY_SIZE = 256


def face_normals(points: Tensor) -> Tensor:
    """Unit normals (468, 3) of the face, of all vertices (N, 3) with y up and z towards the camera."""
    topology = load_topology(points.device)
    faces = topology.faces[: topology.num_face_triangles]
    a, b, c = gather(points, faces).unbind(1)
    normal = torch.linalg.cross(b - a, c - a)
    total = points.new_zeros(NUM_FACE, 3).index_add_(0, faces.flatten(), normal.repeat_interleave(3, 0))
    return total / total.norm(dim=-1, keepdim=True).clamp(min=1e-9)


def facing(plane: Tensor) -> Tensor:
    """(N,) how well vertices (N, 3) on the plane face the camera; 1 around the face, where stretch decides."""
    seen = plane.new_ones(len(plane))
    seen[:NUM_FACE] = smoothstep(BARELY_SEEN, WELL_SEEN, face_normals(plane)[:, 2])
    return seen


def visible(plane: Tensor, scale: Tensor) -> Tensor:
    """(N,) 1 where nothing of the face hides a vertex (N, 3) of the plane; `scale` (1,) is plane units per cm."""
    topology = load_topology(plane.device)
    faces = topology.faces[: topology.num_face_triangles]
    half = VISIBILITY_SIZE / 2
    screen = plane * plane.new_tensor([half, -half, 1.0]) + plane.new_tensor([half, half, 0.0])
    triangle = rasterise(screen, faces, VISIBILITY_SIZE, VISIBILITY_SIZE)
    axis = torch.arange(VISIBILITY_SIZE, device=plane.device)
    depth = interpolate(value_planes(screen, faces, screen[:, 2:]), triangle, axis, axis[:, None])[0]
    depth = torch.where(triangle >= 0, depth, -torch.inf)
    x, y = screen[:NUM_FACE, :2].round().long().clamp(0, VISIBILITY_SIZE - 1).unbind(-1)
    behind = (depth[y, x] - screen[:NUM_FACE, 2]) / scale
    seen = plane.new_ones(len(plane))
    seen[:NUM_FACE] = smoothstep(MAX_HIDING_CM, MIN_HIDING_CM, behind)
    return seen


def inverse_edges(positions: Tensor) -> Tensor:
    """(T, 4) for each triangle the inverse (row by row) of its two edges, side by side, in the texture.

    Args:
        positions: (N, 2) of the vertices in the texture, px.
    """
    faces = load_topology(positions.device).faces
    a, b, c = positions[faces].unbind(1)
    (ux, uy), (vx, vy) = (b - a).unbind(-1), (c - a).unbind(-1)
    area = ux * vy - vx * uy
    area = torch.where(area.abs() < 1e-3, 1e-3, area)
    return torch.stack([vy, -vx, -uy, ux], dim=1) / area[:, None]


def stretch(inverse: Tensor, screen: Tensor, zoom: Tensor) -> Tensor:
    """(N,) how much the texture is magnified at vertices, in the direction in which it is magnified most.

    The larger singular value of each triangle's map from texture to screen, averaged over the triangles at a vertex.

    Args:
        inverse: see `inverse_edges`.
        screen: (N, 2) px.
        zoom: () the magnification that does not count.
    """
    faces = load_topology(screen.device).faces
    corner, second, third = gather(screen, faces).unbind(1)
    (ux, uy), (vx, vy) = (second - corner).unbind(-1), (third - corner).unbind(-1)
    p, q, r, s = inverse.unbind(1)
    a, b, c, d = ux * p + vx * r, ux * q + vx * s, uy * p + vy * r, uy * q + vy * s
    half, area = (a * a + b * b + c * c + d * d) / 2, a * d - b * c
    largest = (half + (half * half - area * area).clamp(min=0).sqrt()).sqrt()
    largest = (largest / zoom.clamp(min=1e-9)).clamp(max=MAX_STRETCH)
    total = screen.new_zeros(len(screen)).index_add_(0, faces.flatten(), largest.repeat_interleave(3))
    return total * _inverse_counts(len(screen), screen.device)


@lru_cache(maxsize=4)
def _inverse_counts(vertices: int, device: torch.device) -> Tensor:
    """(N,) 1 over the number of triangles at each vertex."""
    return 1 / load_topology(device).faces.flatten().bincount(minlength=vertices).clamp(min=1)
