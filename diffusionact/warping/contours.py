"""Smooth contours: pixels where one surface ends before another are looked at in four positions instead of one.

Candidates for each place are the triangles that the pixel and its neighbours show, so no larger image is rasterised.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .rasteriser import MIN_AREA, gather
from .topology import index_of

# Neighbouring pixels whose texture lies farther apart than this, px of the output, show different surfaces.
JUMP_PX = 6.0
# Difference of coverage between neighbours of different parts that is seen as a step.
COVER_JUMP = 0.15
CROSS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
OFFSETS = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))
# A place may lie this far outside a triangle, barycentric.
TOLERANCE = 1e-3


def contour_pixels(grid: Tensor, label: Tensor, cover: Tensor | None, jump: float) -> Tensor:
    """Flat indices (M,) of the pixels on both sides of a contour.

    A contour is where the texture jumps, where the mesh ends, and where one part covers the background and its
    neighbour does not.

    Args:
        grid: (H, W, 2) where the texture of each pixel lies.
        label: (H, W) the part that it shows.
        cover: (H, W) how much of the background it hides; None if all pixels hide it.
        jump: distance in the grid that tells a contour.
    """
    edge = torch.zeros_like(label, dtype=torch.bool)
    for axis in (0, 1):
        count = label.shape[axis] - 1
        far = (grid.narrow(axis, 1, count) - grid.narrow(axis, 0, count)).abs_() > jump
        found = far.view(torch.int16)[..., 0] != 0  # x or y: two bools in one number
        if cover is not None:
            (label_a, cover_a), (label_b, cover_b) = (
                [values.narrow(axis, start, count) for values in (label, cover)] for start in (0, 1)
            )
            found |= (label_a != label_b).logical_and_((cover_a - cover_b).abs_() > COVER_JUMP)
        edge.narrow(axis, 0, count).logical_or_(found)
        edge.narrow(axis, 1, count).logical_or_(found)
    return edge.flatten().nonzero()[:, 0]


def neighbours(pixels: Tensor, shape: torch.Size, steps: tuple[tuple[int, int], ...]) -> Tensor:
    """(K, M) flat indices of what lies K steps (x, y) beside pixels (M,) of an image (H, W), held at its edge."""
    height, width = shape
    step_x, step_y = index_of(steps, pixels.device)[..., None].unbind(1)
    y, x = (pixels // width + step_y).clamp_(0, height - 1), (pixels % width + step_x).clamp_(0, width - 1)
    return y * width + x


def look_closer(screen: Tensor, faces: Tensor, triangle: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """What is seen at four positions within each of M pixels.

    Args:
        screen: (N, 3) px.
        faces: (T, 3).
        triangle: (H, W) what each pixel shows.
        pixels: (M,) flat indices.

    Returns:
        triangles (M, 4), -1 for nothing, and positions (M, 4, 2) px.
    """
    candidates = gather(triangle.flatten(), neighbours(pixels, triangle.shape, CROSS)).T[:, None]  # (M, 1, 5)
    width = triangle.shape[1]
    positions = torch.stack([pixels % width, pixels // width], dim=-1)[:, None].float() + screen.new_tensor(OFFSETS)
    corners = gather(screen, gather(faces, candidates.clamp(min=0)))
    depth = _depth_at(corners, positions[:, :, None])
    depth = torch.where(candidates >= 0, depth, -torch.inf)
    nearest, choice = depth.max(-1)
    seen = candidates.expand(-1, len(OFFSETS), -1).gather(-1, choice[..., None])[..., 0]
    # Where none holds the place: nothing, if the pixel or a neighbour shows nothing, else what the pixel shows.
    empty = (candidates < 0).any(-1)
    rest = torch.where(empty, -1, candidates[..., 0])
    return torch.where(torch.isfinite(nearest), seen, rest.expand_as(seen)), positions


def _depth_at(corners: Tensor, positions: Tensor) -> Tensor:
    """Depth (M, 4, K) of triangles (M, 1, K, 3, 3) at positions (M, 4, 1, 2); -inf outside."""
    (x, x1, x2), (y, y1, y2), (z, z1, z2) = corners.permute(4, 3, 0, 1, 2).contiguous()
    x1, x2, y1, y2 = x1 - x, x2 - x, y1 - y, y2 - y
    area = x1 * y2 - y1 * x2
    area = torch.where(area.abs() < MIN_AREA, MIN_AREA, area)
    away_x, away_y = positions[..., 0] - x, positions[..., 1] - y
    second = (away_x * y2 - away_y * x2) / area
    third = (x1 * away_y - y1 * away_x) / area
    inside = torch.minimum(torch.minimum(second, third), 1 - second - third) >= -TOLERANCE
    return torch.where(inside, z + second * (z1 - z) + third * (z2 - z), -torch.inf)
