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
    corners = gather(screen, faces).permute(2, 1, 0).contiguous()
    x, y, z = corners  # (3, T) each
    area = _doubled_area(x, y)
    low, high = y.amin(0).ceil().clamp(min=0), y.amax(0).floor().clamp(max=height - 1)
    shown = (area < -MIN_AREA) & (high >= low) & (x.amax(0) >= 0) & (x.amin(0) <= width - 1)
    shown = shown.nonzero()[:, 0]
    x, y, z = corners.index_select(2, shown)
    area, low, high = (part.index_select(0, shown) for part in (area, low, high))

    row_of, row = _enumerate(low.long(), (high - low + 1).long())
    start, stop = _spans(x, y, area, row_of, row, width)
    filled = (stop >= start).nonzero()[:, 0]
    row_of, row, start, stop = (part.index_select(0, filled) for part in (row_of, row, start, stop))

    # Depth and triangle in one integer: the largest at a pixel is the nearest triangle, the same on every device.
    bits = max(1, len(faces).bit_length())
    far = z.amin() if z.numel() else 0.0
    factor = DEPTH_LEVELS / (z.amax() - far + 1e-9) if z.numel() else 1.0
    depth = _planes(x, y, area, z - far).mul(factor)
    by_x, by_y, constant = (part.index_select(0, row_of) for part in depth)
    level = (constant + by_y * row + by_x * start).round().long().clamp(min=0) << bits
    step = by_x.round().long() << bits
    counts = stop - start + 1
    begin = counts.cumsum(0) - counts
    # The n-th pixel in the list of all rows has index n + offset and key n * step + key.
    key = level + shown.index_select(0, row_of) + 1 - step * begin
    row_of_pixel = torch.repeat_interleave(counts)
    rows = (row * width + start - begin, step, key)
    offset, step, key = (part.index_select(0, row_of_pixel) for part in rows)
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
        (3, C, T): factors of x and of y, and the constant.
    """
    x, y = gather(screen[:, :2], faces).permute(2, 1, 0).contiguous()
    area = _doubled_area(x, y)
    corners = gather(values, faces).permute(1, 2, 0).contiguous()
    return _planes(x, y, torch.where(area.abs() < MIN_AREA, MIN_AREA, area), corners)


def _doubled_area(x: Tensor, y: Tensor) -> Tensor:
    """(T,) twice the signed area of triangles with corners x and y (3, T), px^2."""
    return (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])


def _planes(x: Tensor, y: Tensor, area: Tensor, values: Tensor) -> Tensor:
    """(3, *C, T) factors of x and of y and the constant, for values (3, *C, T) at the corners x and y (3, T)."""
    first, second = values[1] - values[0], values[2] - values[0]
    by_x = (first * (y[2] - y[0]) - second * (y[1] - y[0])) / area
    by_y = (second * (x[1] - x[0]) - first * (x[2] - x[0])) / area
    return torch.stack([by_x, by_y, values[0] - by_x * x[0] - by_y * y[0]])


def interpolate(planes: Tensor, triangle: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Values (C, *S) of the triangles (*S) that pixels show, at x and y px, each of *S or to be spread over it.

    Arbitrary where there is no triangle.
    """
    chosen = planes.flatten(0, 1).index_select(1, triangle.flatten().clamp(min=0))
    by_x, by_y, constant = chosen.view(3, planes.shape[1], *triangle.shape)
    return torch.addcmul(torch.addcmul(constant, by_x, x), by_y, y)


def _enumerate(first: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """For items with `counts` members each: the item of every member, and first[item] + 0, 1, 2, ..."""
    item = torch.repeat_interleave(counts)
    offset = first - (counts.cumsum(0) - counts)
    return item, torch.arange(len(item), device=counts.device) + offset.index_select(0, item)


def _spans(x: Tensor, y: Tensor, area: Tensor, item: Tensor, row: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """First and last pixel (M,) int64 of each row of a triangle; the last lies before the first if it shows none."""
    ahead, top, behind, bottom = x.roll(-1, 0), y.roll(-1, 0), x.roll(1, 0), y.roll(1, 0)
    # Barycentric coordinate of each corner: slope * x + along * y + constant >= 0 inside.
    slope, along = (top - bottom) / area, (behind - ahead) / area
    constant = (ahead * bottom - behind * top) / area + TOLERANCE
    flat = slope.abs() < 1e-9
    # On the edge x = factor * y + offset. A flat edge takes or leaves the whole row: its limit lies far aside.
    divisor = torch.where(flat, -1.0 / FAR, -slope)
    edges = torch.stack([along / divisor, constant / divisor])
    to_left = flat | (slope > 0)
    lower = torch.where(to_left, edges, edges.new_tensor([0.0, -1.0])[:, None, None])
    upper = torch.where(to_left, edges.new_tensor([0.0, float(width)])[:, None, None], edges)
    limits = torch.cat([lower, upper], dim=1).flatten(0, 1).index_select(1, item)  # (12, M)
    at = torch.addcmul(limits[6:], limits[:6], row)
    start = torch.maximum(torch.maximum(at[0], at[1]), at[2]).ceil_().clamp_(0, width)
    stop = torch.minimum(torch.minimum(at[3], at[4]), at[5]).floor_().clamp_(-1, width - 1)
    return start.long(), stop.long()
