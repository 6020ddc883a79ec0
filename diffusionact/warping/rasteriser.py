"""A z-buffer of triangles in plain torch: which triangle each pixel shows, and values interpolated over it.

Screen points are px, x right, y down, whole numbers are pixel centres; z grows towards the camera. Only triangles that
wind counter-clockwise where y points up are drawn, so that surfaces turned away vanish. Everything is enumerated at
once: rows of triangles, then pixels of rows, so that nothing is tested that lies outside.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Twice the area, px^2, below which a triangle is not drawn.
MIN_AREA = 1e-6
# Barycentric coordinates may be so far below 0 that no pixel falls between two triangles.
TOLERANCE = 1e-4
# Factor that carries a limit out of the image, px.
FAR = 1e9
# Depth is compared in whole levels: this many between the nearest and the farthest point.
DEPTH_LEVELS = 2**30


def rasterise(screen: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
    """The triangle that each pixel shows.

    Args:
        screen: (N, 3) float px.
        faces: (T, 3) int64.
        height: rows of the image.
        width: columns of the image.

    Returns:
        (height, width) int64, index of the nearest triangle, -1 where there is none.
    """
    corners = gather(screen, faces).permute(2, 0, 1).contiguous()
    x, y, z = corners  # (T, 3) each
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])
    low, high = y.amin(1).ceil().clamp(min=0), y.amax(1).floor().clamp(max=height - 1)
    shown = (area < -MIN_AREA) & (high >= low) & (x.amax(1) >= 0) & (x.amin(1) <= width - 1)
    shown = shown.nonzero()[:, 0]
    x, y, z = corners.index_select(1, shown)
    area, low, high = (part.index_select(0, shown) for part in (area, low, high))

    row_of, row = _enumerate(low.long(), (high - low + 1).long())
    start, stop = _spans(x, y, area, row_of, row, width)
    filled = (stop >= start).nonzero()[:, 0]
    row_of, row, start, stop = (part.index_select(0, filled) for part in (row_of, row, start, stop))

    # Depth and triangle in one integer: the largest at a pixel is the nearest triangle, the same on every device.
    bits = max(1, len(faces).bit_length())
    far = z.amin() if len(z) else 0.0
    factor = DEPTH_LEVELS / (z.amax() - far + 1e-9) if len(z) else 1.0
    by_x, by_y, constant = _depth_plane(x, y, z - far, area).mul(factor).index_select(0, row_of).unbind(1)
    level = (constant + by_y * row + by_x * start).round().long().clamp(min=0) << bits
    step = by_x.round().long() << bits
    counts = stop - start + 1
    begin = counts.cumsum(0) - counts
    # The n-th pixel in the list of all rows has index n + offset and key n * step + key.
    key = level + shown.index_select(0, row_of) + 1 - step * begin
    rows = torch.stack([row * width + start - begin, step, key], dim=1)
    offset, step, key = torch.repeat_interleave(rows, counts, dim=0).unbind(1)
    number = torch.arange(len(offset), device=screen.device)
    best = torch.zeros(height * width, dtype=torch.int64, device=screen.device)
    keys = torch.addcmul(key, number, step)
    best.scatter_reduce_(0, number.add_(offset), keys, "amax")
    return best.bitwise_and_((1 << bits) - 1).sub_(1).view(height, width)  # 0 is where nothing lies


def gather(values: Tensor, index: Tensor) -> Tensor:
    """values[index] for values (N, *C) and index (*S); `index_select` is several times faster than indexing."""
    return values.contiguous().index_select(0, index.reshape(-1)).view(*index.shape, *values.shape[1:])


def value_planes(screen: Tensor, faces: Tensor, values: Tensor) -> Tensor:
    """Values of vertices as linear functions of the screen in each triangle.

    Args:
        screen: (N, 2) or (N, 3) px.
        faces: (T, 3) int64.
        values: (N, C).

    Returns:
        (T, 3, C): factors of x and of y, and the constant.
    """
    x, y = gather(screen[:, :2], faces).unbind(-1)
    a, b, c = gather(values, faces).unbind(1)
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])
    area = torch.where(area.abs() < MIN_AREA, MIN_AREA, area)[:, None]
    first, second = b - a, c - a
    by_x = (first * (y[:, 2] - y[:, 0])[:, None] - second * (y[:, 1] - y[:, 0])[:, None]) / area
    by_y = (second * (x[:, 1] - x[:, 0])[:, None] - first * (x[:, 2] - x[:, 0])[:, None]) / area
    return torch.stack([by_x, by_y, a - by_x * x[:, :1] - by_y * y[:, :1]], dim=1)


def interpolate(planes: Tensor, triangle: Tensor, pixels: Tensor) -> Tensor:
    """Values (*S, C) at pixels (*S, 2) of the triangles (*S) they show; arbitrary where there is none."""
    chosen = planes.flatten(1).index_select(0, triangle.flatten().clamp(min=0))
    by_x, by_y, constant = chosen.view(*triangle.shape, 3, planes.shape[-1]).unbind(-2)
    return torch.addcmul(torch.addcmul(constant, by_x, pixels[..., :1]), by_y, pixels[..., 1:])


def _enumerate(first: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """For items with `counts` members each: the item of every member, and first[item] + 0, 1, 2, ..."""
    item = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    offset = first - (counts.cumsum(0) - counts)
    return item, torch.arange(len(item), device=counts.device) + offset.index_select(0, item)


def _spans(x: Tensor, y: Tensor, area: Tensor, item: Tensor, row: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """First and last pixel (M,) int64 of each row of a triangle; the last lies before the first if it shows none."""
    ahead, top, behind, bottom = x.roll(-1, 1), y.roll(-1, 1), x.roll(1, 1), y.roll(1, 1)
    # Barycentric coordinate of each corner: slope * x + along * y + constant >= 0 inside.
    slope, along = (top - bottom) / area[:, None], (behind - ahead) / area[:, None]
    constant = (ahead * bottom - behind * top) / area[:, None] + TOLERANCE
    flat = slope.abs() < 1e-9
    # On the edge x = factor * y + offset. A flat edge takes or leaves the whole row: its limit lies far aside.
    divisor = torch.where(flat, -1.0 / FAR, -slope)
    edges = torch.stack([along / divisor, constant / divisor])
    to_left = (flat | (slope > 0))[None]
    lower = torch.where(to_left, edges, edges.new_tensor([0.0, -1.0])[:, None, None])
    upper = torch.where(to_left, edges.new_tensor([0.0, float(width)])[:, None, None], edges)
    limits = torch.cat([lower, upper], dim=2).permute(1, 0, 2).flatten(1).index_select(0, item)  # (M, 12)
    factor, offset = limits.view(-1, 2, 6).unbind(1)
    at = torch.addcmul(offset, factor, row[:, None])
    start = torch.maximum(torch.maximum(at[:, 0], at[:, 1]), at[:, 2]).ceil_().clamp_(0, width)
    stop = torch.minimum(torch.minimum(at[:, 3], at[:, 4]), at[:, 5]).floor_().clamp_(-1, width - 1)
    return start.long(), stop.long()


def _depth_plane(x: Tensor, y: Tensor, z: Tensor, area: Tensor) -> Tensor:
    """(T, 3) depth of triangles as factor of x, factor of y and constant."""
    first, second = z[:, 1] - z[:, 0], z[:, 2] - z[:, 0]
    by_x = (first * (y[:, 2] - y[:, 0]) - second * (y[:, 1] - y[:, 0])) / area
    by_y = (second * (x[:, 1] - x[:, 0]) - first * (x[:, 2] - x[:, 0])) / area
    return torch.stack([by_x, by_y, z[:, 0] - by_x * x[:, 0] - by_y * y[:, 0]], dim=1)
