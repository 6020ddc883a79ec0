"""Image arithmetic of the warp in plain torch: sampling, blurs, filling of holes and coverage of polygons.

Images are (C, H, W) float; grid coordinates are those of `grid_sample` without aligned corners: -1 and 1 are the outer
edges of the outer pixels, x right, y down.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

# What is smooth over a frame is computed for every k-th pixel only, of frames beyond this side, px.
SMOOTH_SIDE = 128


def smooth_step(height: int, width: int) -> int:
    """k: of every how many pixels of a frame smooth values are computed."""
    return max(1, round(max(height, width) / SMOOTH_SIDE))


def enlarge_smooth(values: Tensor, height: int, width: int) -> Tensor:
    """Values (F, C, h, w) of every k-th pixel of frames for all pixels (F, C, height, width), see `smooth_step`."""
    step = smooth_step(height, width)
    if step == 1:
        return values
    size = (step * values.shape[-2], step * values.shape[-1])
    # One by one: three channels together take twice as long.
    enlarged = F.interpolate(values.flatten(0, 1)[:, None], size=size, mode="bilinear")
    return enlarged.view(*values.shape[:2], *size)[..., :height, :width]


def smoothstep(low: float, high: float, values: Tensor) -> Tensor:
    """0 below `low`, 1 above `high`, 3 t^2 - 2 t^3 between; falls if `high` is below `low`."""
    share = (values - low).mul_(1.0 / (high - low)).clamp_(0.0, 1.0)
    return torch.rsub(share, 3.0, alpha=2.0).mul_(share).mul_(share)


def mix(first: Tensor | float, second: Tensor | float, share: Tensor | float) -> Tensor:
    """`first` where the share is 0, `second` where it is 1."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return torch.lerp(first, second, share)  # one pass instead of three
    return first + share * (second - first)


def sample(image: Tensor, grid: Tensor, mode: str = "bilinear", beyond: str = "border") -> Tensor:
    """Values (C, *S) of an image (C, H, W) at grid coordinates (*S, 2); the border is held, or mirrored."""
    rows = grid.reshape(1, 1, -1, 2) if grid.ndim != 3 else grid[None]
    values = F.grid_sample(image[None], rows, mode=mode, padding_mode=beyond, align_corners=False)[0]
    return values if grid.ndim == 3 else values.reshape(len(image), *grid.shape[:-1])


def sample_each(images: Tensor, grids: Tensor) -> Tensor:
    """Values (B, C, h, w) of images (B, C, H, W), each at its own grid coordinates (B, h, w, 2); the border is held."""
    return F.grid_sample(images, grids, padding_mode="border", align_corners=False)


def side_by_side(x: Tensor, y: Tensor) -> Tensor:
    """Vectors (*S, 2) of x and y (*S,); as real and imaginary parts, which is written in a third of `stack`'s time."""
    return torch.view_as_real(torch.complex(x, y))


def take(vectors: Tensor, index: Tensor) -> Tensor:
    """Rows (M, 2) of contiguous vectors (P, 2); as complex numbers, which are copied faster than rows."""
    return torch.view_as_real(torch.view_as_complex(vectors).index_select(0, index))


def mix_into(image: Tensor, pixels: Tensor, colours: Tensor, share: Tensor) -> None:
    """Mix colours (C, M) by shares (M,) into some pixels (M,) of an image (C, P), in place."""
    mixed = mix(image.index_select(1, pixels), colours, share)
    image.scatter_(1, pixels.expand(len(image), -1), mixed)  # several times faster than an assignment by index


def length(vectors: Tensor) -> Tensor:
    """Lengths (*S,) of vectors (*S, 2); several times faster than `norm` on long lists of short vectors."""
    x, y = vectors.unbind(-1)
    return (x * x + y * y).sqrt()


def pixels_to_grid(side: int, device: torch.device) -> Tensor:
    """(2, 3) px -> grid coordinates of a square image with `side` px."""
    factor = 2.0 / side
    shift = factor / 2 - 1.0
    return torch.tensor([[factor, 0.0, shift], [0.0, factor, shift]], device=device)


def apply(matrix: Tensor, points: Tensor) -> Tensor:
    """Points (*S, 2) through an affine map (2, 3)."""
    moved = points.reshape(-1, 2)
    return torch.addmm(matrix[:, 2], moved, matrix[:, :2].T).view(points.shape)


def apply_each(matrices: Tensor, points: Tensor) -> Tensor:
    """B lists of points (B, *S, 2), each through its own affine map (B, 2, 3)."""
    moved = torch.baddbmm(
        matrices[:, None, :, 2], points.reshape(len(points), -1, 2), matrices[..., :2].transpose(1, 2)
    )
    return moved.view(points.shape)


def pixel_centres(height: int, width: int, device: torch.device) -> Tensor:
    """(height, width, 2) x and y of every pixel."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack([x, y], dim=-1)


def blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of an image (C, H, W), sigma in px, the border held. Wide blurs work on a smaller image."""
    height, width = image.shape[-2:]
    factor = int(sigma // 4)
    if factor > 1 and min(height, width) > 4 * factor:
        small = F.interpolate(image[None], scale_factor=1 / factor, mode="area")[0]
        return F.interpolate(blur(small, sigma / factor)[None], size=(height, width), mode="bilinear")[0]
    radius = max(1, math.ceil(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
    kernel = (-0.5 * (offsets / sigma).square()).exp()
    kernel = (kernel / kernel.sum())[None, None]
    padded = F.pad(image[:, None], (radius, radius, radius, radius), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel[..., None, :]), kernel[..., None])[:, 0]


def fill(image: Tensor, valid: Tensor, sigmas: tuple[float, ...]) -> Tensor:
    """Continue an image (C, H, W) into where `valid` (1, H, W) is 0: by blurs, the finest that reaches first."""
    result, have = image * valid, valid
    for sigma in sigmas:
        weight = blur(valid, sigma)
        colour = blur(image * valid, sigma) / weight.clamp(min=1e-4)
        share = (1 - have) * smoothstep(0.0, 0.08, weight)
        result, have = result + share * colour, have + share
    mean = (image * valid).sum((1, 2)) / valid.sum().clamp(min=1.0)
    return result + (1 - have) * mean[:, None, None]


def segment_distance(x: Tensor, y: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances (*B, K, *S) of points from K segments (*B, K, 2), and the positions along them in [0, 1].

    The points' x and y are (*B, *S) each, or to be spread over it.
    """
    shape = _edge_shape(x, start)
    x, y = _beside_edges(x, y, start)
    (x0, y0), (step_x, step_y) = ([part.view(shape) for part in ends.unbind(-1)] for ends in (start, end - start))
    away_x, away_y = x - x0, y - y0
    squared = (step_x * step_x + step_y * step_y).clamp(min=1e-12)
    along = ((away_x * step_x + away_y * step_y) / squared).clamp(0.0, 1.0)
    gap_x, gap_y = away_x - along * step_x, away_y - along * step_y
    return gap_x * gap_x + gap_y * gap_y, along


def polygon_distance(x: Tensor, y: Tensor, polygon: Tensor) -> Tensor:
    """Signed distance of points from the outline of a polygon, positive inside; in its unit.

    Args:
        x, y: (*B, *S) of the points, or to be spread over it, as the columns and rows of a box are.
        polygon: (*B, K, 2), one for each of B.

    Returns:
        (*B, *S).
    """
    shape, axis = _edge_shape(x, polygon), polygon.ndim - 2
    x, y = _beside_edges(x, y, polygon)
    start, end = polygon, polygon.roll(-1, -2)
    step = end - start
    size = length(step)
    # Unit vectors along the edges, all upwards in y, so that the same side is always the one with smaller x.
    step = step * torch.where(step[..., 1:] < 0, -1.0, 1.0)
    along = torch.where(size[..., None] > 1e-6, step / size.clamp(min=1e-6)[..., None], step.new_tensor([1.0, 0.0]))
    middle, (ux, uy) = (start + end) / 2, along.unbind(-1)
    half = (size / 2).view(shape)
    # Distance beside each edge's line, and beyond its ends: two linear functions of the point.
    beside = _linear(-uy, ux, uy * middle[..., 0] - ux * middle[..., 1], x, y, shape)
    beyond = _linear(ux, uy, -(along * middle).sum(-1), x, y, shape).abs_().sub_(half).clamp_(min=0.0)
    low, high = start[..., 1].view(shape), end[..., 1].view(shape)
    crossed = (beside > 0).logical_and_((low > y) ^ (high > y))
    distance = beside.square_().addcmul_(beyond, beyond).amin(axis).sqrt_()
    return torch.where(crossed.sum(axis, dtype=torch.int32) % 2 == 1, distance, -distance)


def _edge_shape(x: Tensor, edges: Tensor) -> tuple[int, ...]:
    """Shape (*B, K, 1, ...) in which values of K edges (*B, K, 2) meet points (*B, *S)."""
    return (*edges.shape[:-1], *[1] * (x.ndim + 2 - edges.ndim))


def _beside_edges(x: Tensor, y: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """x and y (*B, 1, *S) of points (*B, *S), to meet edges (*B, K, 2)."""
    return tuple(part.unsqueeze(edges.ndim - 2).contiguous() for part in (x, y))


def _linear(by_x: Tensor, by_y: Tensor, constant: Tensor, x: Tensor, y: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(*B, K, *S) by_x * x + by_y * y + constant, for K functions (*B, K) of points (*B, 1, *S)."""
    return torch.addcmul(torch.addcmul(constant.view(shape), by_x.view(shape), x), by_y.view(shape), y)


def polygon_coverage(x: Tensor, y: Tensor, polygon: Tensor, softness: float = 1.0) -> Tensor:
    """How much of each pixel a polygon covers, in [0, 1]; as `polygon_distance`, `softness` is the ramp's width, px."""
    return (0.5 + polygon_distance(x, y, polygon) / softness).clamp(0.0, 1.0)


def smooth_outline(polygon: Tensor, corners: tuple[int, ...], parts: int = 3) -> Tensor:
    """A closed outline (*B, K, 2) with `parts` points an edge on a Catmull-Rom curve; `corners` stay sharp."""
    return _outline_weights(polygon.shape[-2], corners, parts, polygon.device).to(polygon) @ polygon


@lru_cache(maxsize=8)
def _outline_weights(count: int, corners: tuple[int, ...], parts: int, device: torch.device) -> Tensor:
    """(count * parts, count) weights of an outline's points in those of its curve."""
    polygon = torch.eye(count, device=device)
    before, after = polygon.roll(1, 0), polygon.roll(-1, 0)
    tangent = (after - before) / 2
    incoming, outgoing = tangent.clone(), tangent.clone()
    for corner in corners:
        outgoing[corner] = after[corner] - polygon[corner]
        incoming[corner] = polygon[corner] - before[corner]
    t = torch.arange(parts, device=device, dtype=polygon.dtype)[None, :, None] / parts
    p0, p1 = polygon[:, None], after[:, None]
    m0, m1 = outgoing[:, None], incoming.roll(-1, 0)[:, None]
    curve = (2 * t**3 - 3 * t**2 + 1) * p0 + (t**3 - 2 * t**2 + t) * m0 + (3 * t**2 - 2 * t**3) * p1
    return (curve + (t**3 - t**2) * m1).reshape(count * parts, count)
