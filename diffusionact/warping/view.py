"""Where things lie in the output: maps between the aligned crop, an output of any size, and a source's canvas."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ..face.geometry.alignment import invert_transform
from .placement import ALIGNED_SIZE, mesh_to_plane, plane_to_aligned
from .sampling import apply, pixel_centres, pixels_to_grid
from .surroundings import spokes
from .topology import NUM_FACE, OVAL
from .values import HeadPlacement, WarpSource

# What stands still lies behind the head, cm.
STILL_DEPTH_CM = 9.0
# Side of the small canvas on which broad things of a source are made out, px.
WORK_SIDE = 224


def crop_output(size: int, device: torch.device) -> Tensor:
    """(2, 3) aligned px -> px of the aligned crop at another size, pixel centres kept."""
    factor = size / ALIGNED_SIZE
    shift = 0.5 * factor - 0.5
    return torch.tensor([[factor, 0.0, shift], [0.0, factor, shift]], device=device)


def source_grid(source: WarpSource, head: Tensor) -> Tensor:
    """Grid coordinates (*S, 2) of the canvas where the photo shows points (*S, 3) of head space, cm."""
    plane = source.placement.place(head.reshape(1, -1, 3))[0]
    grid = apply(source.to_grid, plane_to_aligned(plane)[:, :2])
    return grid.view(*head.shape[:-1], 2)


def small_grid(device: torch.device) -> Tensor:
    """(WORK_SIDE, WORK_SIDE, 2) grid coordinates of the pixels of the small canvas."""
    return apply(pixels_to_grid(WORK_SIDE, device), pixel_centres(WORK_SIDE, WORK_SIDE, device))


def small_plane(source: WarpSource) -> Tensor:
    """(WORK_SIDE ** 2, 3) plane points, of depth 0, of the pixels of the small canvas."""
    aligned = apply(invert_transform(source.to_grid[None])[0], small_grid(source.device).view(-1, 2))
    return mesh_to_plane(torch.cat([aligned, torch.zeros_like(aligned[:, :1])], dim=1))


@lru_cache(maxsize=16)  # of a renderer's map, which stays the same
def output_scale(to_output: Tensor) -> Tensor:
    """() px of the output for one of the aligned crop."""
    return torch.linalg.det(to_output[:, :2]).abs().sqrt()


@lru_cache(maxsize=16)  # of a renderer's map, which stays the same
def _output_to_aligned(to_output: Tensor) -> Tensor:
    """(2, 3) px of the output -> aligned px."""
    return invert_transform(to_output[None])[0]


def plane_to_output(plane: Tensor, to_output: Tensor) -> Tensor:
    """Plane points (N, 3) as px of the output, x right, y down; z in px towards the camera."""
    aligned = plane_to_aligned(plane)
    return torch.cat([apply(to_output, aligned[:, :2]), aligned[:, 2:] * output_scale(to_output)], dim=1)


def output_to_plane(pixels: Tensor, to_output: Tensor, depth: Tensor) -> Tensor:
    """Px of the output (*S, 2) at a depth () of the plane, as plane points (*S, 3)."""
    aligned = apply(_output_to_aligned(to_output), pixels)
    plane = mesh_to_plane(torch.cat([aligned, torch.zeros_like(aligned[..., :1])], dim=-1))
    return torch.cat([plane[..., :2], torch.zeros_like(plane[..., :1]) + depth], dim=-1)


def still_plane(source: WarpSource) -> Tensor:
    """(N, 2) plane positions of all vertices in the photo."""
    aligned = apply(invert_transform(source.to_grid[None])[0], source.positions)
    return mesh_to_plane(torch.cat([aligned, torch.zeros_like(aligned[:, :1])], dim=1))[:, :2]


def moved_vertices(source: WarpSource, placement: HeadPlacement, change: Tensor, still: Tensor) -> Tensor:
    """All vertices (N, 3) on the plane of a frame.

    Args:
        source: made ready.
        placement: one row.
        change: (478, 3) cm.
        still: see `still_plane`.
    """
    around = source.ring_follow.view(-1, 2 * len(OVAL), 1) * spokes(change[list(OVAL)])
    head = torch.cat([source.shape[:NUM_FACE] + change[:NUM_FACE], source.ring_points + around.flatten(0, 1)])
    placed = placement.place(head[None])[0]
    depth = placement.shift[:, 2] - STILL_DEPTH_CM * placement.scale
    stays = torch.cat([still, depth.expand(len(still), 1)], dim=1)
    return torch.lerp(stays, placed, source.weight[:, None])
