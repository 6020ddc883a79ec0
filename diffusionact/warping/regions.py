"""Regions in images, with torch alone: growing and shrinking, floods, blurs, and how far a pixel lies from a face.

Maps are (1, C, H, W); the integer coordinate is the centre of a pixel. Beyond the border the nearest pixel goes on.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

NUM_DIRECTIONS = 64
STEPS_BETWEEN_CHECKS = 16


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, free of aliasing where it shrinks."""
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return F.interpolate(x, tuple(size), mode="bilinear", antialias=True, align_corners=False)


def dilate(x: Tensor, radius: int) -> Tensor:
    """Maximum over squares of 2 radius + 1 pixels; bool stays bool."""
    if x.dtype == torch.bool:
        return dilate(x.float(), radius) > 0.5
    side = 2 * radius + 1
    across = F.max_pool2d(x, (1, side), 1, (0, radius))
    return F.max_pool2d(across, (side, 1), 1, (radius, 0))


def erode(x: Tensor, radius: int) -> Tensor:
    """Minimum over squares; the region goes on beyond the border."""
    return ~dilate(~x, radius) if x.dtype == torch.bool else -dilate(-x, radius)


def flood(seed: Tensor, region: Tensor) -> Tensor:
    """Part of a bool region (1, 1, H, W) that hangs together with the seed, by all eight neighbours."""
    area, found, size = region.float(), (seed & region).float(), -1.0
    while float(found.sum()) != size:
        size = float(found.sum())
        for _ in range(STEPS_BETWEEN_CHECKS):
            found = F.max_pool2d(found, 3, 1, 1) * area
    return found > 0.5


def fill_holes(region: Tensor) -> Tensor:
    """A bool region (1, 1, H, W) with all that it encloses; what touches the image's border is not enclosed."""
    border = torch.ones_like(region)
    border[..., 1:-1, 1:-1] = False
    return ~flood(border, ~region)


def to_nearest(region: Tensor) -> Tensor:
    """From each pixel to the nearest one of a bool region (1, 1, H, W), about: (1, 2, H, W) px, x and y.

    Jump flooding (Rong and Tan, I3D 2006). The region must not be empty.
    """
    height, width = region.shape[2:]
    rows, columns = (torch.arange(count, device=region.device).float() for count in (height, width))
    here = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))[None]
    far = 4.0 * (height + width)
    nearest = torch.where(region, here, far)
    step = 2 ** (max(height, width) - 1).bit_length() // 2
    while step > 0:
        padded = F.pad(nearest, (step, step, step, step), value=far)
        for down in (0, step, 2 * step):
            for right in (0, step, 2 * step):
                other = padded[..., down : down + height, right : right + width]
                closer = (other - here).square().sum(1, True) < (nearest - here).square().sum(1, True)
                nearest = torch.where(closer, other, nearest)
        step //= 2
    return nearest - here


def box_blur(x: Tensor, radius: int) -> Tensor:
    """Mean over squares of 2 radius + 1 pixels, by running sums."""
    for axis in (2, 3):
        lead, tail = x.narrow(axis, 0, 1), x.narrow(axis, -1, 1)
        padded = torch.cat([lead] * (radius + 1) + [x] + [tail] * radius, dim=axis)
        running = padded.cumsum(axis)
        side, count = 2 * radius + 1, x.shape[axis]
        x = (running.narrow(axis, side, count) - running.narrow(axis, 0, count)) / side
    return x


def face_gauge(face: Tensor, size: tuple[int, int], photo: tuple[int, int]) -> Tensor:
    """How many times the face's convex hull must grow about its centre to reach each pixel: below 1 inside, 1 on it.

    The hull is the common part of half planes, one for each of 64 directions.

    Args:
        face: (N, 2 or more) pixels of a photo of height and width `photo`.
        size: height and width of the answer, the same photo at another size.

    Returns:
        (1, 1, *size).
    """
    angles = torch.arange(NUM_DIRECTIONS, device=face.device) * (2 * math.pi / NUM_DIRECTIONS)
    directions = torch.stack([angles.cos(), angles.sin()])  # (2, D)
    points = face[:, :2].to(directions)
    centre = (points.amin(0) + points.amax(0)) / 2
    reach = ((points - centre) @ directions).amax(0).clamp(min=1e-3)
    rows = (torch.arange(size[0], device=face.device) + 0.5) * photo[0] / size[0] - 0.5 - centre[1]
    columns = (torch.arange(size[1], device=face.device) + 0.5) * photo[1] / size[1] - 0.5 - centre[0]
    gauge = torch.zeros(size, device=face.device)
    for (x, y), limit in zip(directions.T.tolist(), reach.tolist(), strict=True):
        gauge = torch.maximum(gauge, (rows[:, None] * y + columns * x) / limit)
    return gauge[None, None]
