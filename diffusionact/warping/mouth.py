"""A source's mouth made ready: its inside, continued under the lips, where the photo shows it."""

from __future__ import annotations

import torch
from torch import Tensor

from .sampling import (
    apply,
    fill,
    mix,
    pixel_centres,
    pixels_to_grid,
    polygon_coverage,
    sample,
    smooth_outline,
    smoothstep,
)
from .topology import LIP_RING, index_of

PATCH = 224
PATCH_REACH = 0.9  # half the patch in mouth widths
LIP_CORNERS = (0, 10)
UPPER_LIP, LOWER_LIP = LIP_RING[:11], (LIP_RING[0], *LIP_RING[:9:-1])
MIN_INSIDE_PX = 60.0
# Height of the opening for the distance of the outer eye corners from which the mouth's inside counts as seen.
CLOSED, OPEN = 0.05, 0.1


def lip_opening(points: Tensor) -> Tensor:
    """Distance of the inner lips for that of the outer eye corners, () or (F,), of points (..., N, 2 or 3)."""
    height = (points[..., 13, :] - points[..., 14, :]).norm(dim=-1)
    return height / (points[..., 33, :] - points[..., 263, :]).norm(dim=-1).clamp(min=1e-6)


def prepare_mouth(texture: Tensor, mesh: Tensor) -> tuple[Tensor, Tensor]:
    """The mouth's patch.

    Args:
        texture: (3, side, side), the canvas.
        mesh: (478, 2) grid coordinates of the canvas.

    Returns:
        (2, 3) canvas grid -> the patch's grid; (4, PATCH, PATCH) the inside continued, and a soft mask of the opening.
    """
    lips = mesh[list(LIP_RING)]
    middle, width = (lips[0] + lips[10]) / 2, (lips[10] - lips[0]).norm().clamp(min=1e-6)
    linear = torch.eye(2, device=mesh.device) / (PATCH_REACH * width)
    frame = torch.cat([linear, -(linear @ middle)[:, None]], dim=1)
    to_grid = pixels_to_grid(PATCH, mesh.device)
    pixels = pixel_centres(PATCH, PATCH, mesh.device)
    positions = apply(to_grid, pixels) * PATCH_REACH * width + middle
    patch = sample(texture, positions, "bicubic").clamp(0, 1)
    outline = smooth_outline((apply(frame, lips) - to_grid[:, 2]) * (PATCH / 2), LIP_CORNERS)
    mask = polygon_coverage(*pixels.unbind(-1), outline, 3.0)[None]
    seen = (polygon_coverage(*pixels.unbind(-1), outline, 1.0)[None] > 0.99).float()
    if seen.sum() < MIN_INSIDE_PX:
        return frame, torch.cat([patch, mask])
    return frame, torch.cat([fill(patch, seen, (2.0, 4.0, 9.0, 20.0)), mask])


def shows_inside(points: Tensor) -> Tensor:
    """In [0, 1]: whether a mesh (..., N, 2 or 3) shows the inside of the mouth."""
    return smoothstep(CLOSED, OPEN, lip_opening(points))


def lip_lines(points: Tensor) -> Tensor:
    """(2, 11, 2) x and y of the inner edges of the upper and the lower lip, from the image's left to its right, cm.

    Of the mesh (478, 3) in head space; x always grows.
    """
    lines = points.index_select(0, index_of(UPPER_LIP + LOWER_LIP, points.device)).view(2, len(UPPER_LIP), -1)
    x = torch.cummax(lines[..., 0], 1).values + 1e-4 * torch.arange(len(UPPER_LIP), device=points.device)
    return torch.stack([x, lines[..., 1]], dim=-1)


def heights_at(lines: Tensor, x: Tensor) -> Tensor:
    """Heights (L, h, w) of lines (L, K, 2) of growing x and their y, at x (h, w); cm."""
    at, height = lines.unbind(-1)
    wanted = x.flatten().expand(len(lines), -1)
    right = torch.searchsorted(at.contiguous(), wanted.contiguous()).clamp_(1, lines.shape[1] - 1)
    start, low = at.gather(1, right - 1), height.gather(1, right - 1)
    share = ((wanted - start) / (at.gather(1, right) - start)).clamp_(0, 1)
    return mix(low, height.gather(1, right), share).view(-1, *x.shape)
