"""Rotated square regions of an image: where a net looks, and the way there and back.

Pixels: integer k is the centre of pixel k. A region's unit coordinates run from (0, 0) at its own top left corner to
(1, 1); sample i of n lies at i / n (MediaPipe's rule, not the pixel-centre rule; kept so that the nets see the same).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ....geometry.resize import resize_points

# Bilinear sampling skips pixels when it shrinks; beyond this factor the image is filtered first.
MAX_BARE_REDUCTION = 4.0


@dataclass(frozen=True)
class SquareRegions:
    """N squares of an image.

    Attributes:
        centre: (N, 2) px.
        side: (N,) px.
        angle: (N,) radians, clockwise in the image: the region's own x axis points to (cos, sin).
    """

    centre: Tensor
    side: Tensor
    angle: Tensor

    def __len__(self) -> int:
        return len(self.side)

    def __getitem__(self, rows: slice | Tensor | list[int]) -> SquareRegions:
        return SquareRegions(self.centre[rows], self.side[rows], self.angle[rows])

    def to_image(self, points: Tensor) -> Tensor:
        """Map unit coordinates (N, K, 2) to pixels (N, K, 2)."""
        offset = (points - 0.5) * self.side[:, None, None]
        cos, sin = torch.cos(self.angle)[:, None], torch.sin(self.angle)[:, None]
        x, y = offset.unbind(-1)
        return torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1) + self.centre[:, None]

    def enlarged(self, factor: int) -> SquareRegions:
        """The same regions in an image `factor` times as large."""
        return SquareRegions(resize_points(self.centre, 1, factor), self.side * factor, self.angle)

    def to(self, device: torch.device) -> SquareRegions:
        """The same regions on a device."""
        return SquareRegions(self.centre.to(device), self.side.to(device), self.angle.to(device))

    @classmethod
    def join(cls, parts: list[SquareRegions]) -> SquareRegions:
        """All regions of several lists, in order."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in ("centre", "side", "angle")))


def whole_image(height: int, width: int, zoom_out: float = 1.0, angles: tuple[float, ...] = (0.0,)) -> SquareRegions:
    """Squares around the whole image, one for each angle; `zoom_out` adds margin (2 doubles the side)."""
    count = len(angles)
    centre = torch.tensor([width / 2, height / 2]).expand(count, 2)
    return SquareRegions(centre, torch.full((count,), max(height, width) * zoom_out), torch.tensor(angles))


def region_around(points: Tensor, right_eye: Tensor, left_eye: Tensor, scale: float) -> SquareRegions:
    """The square, level with the eyes (2,) each, around points (N, 2) px; `scale` adds margin."""
    across = left_eye - right_eye
    angle = torch.atan2(across[1], across[0])
    x_axis = torch.stack([torch.cos(angle), torch.sin(angle)])
    axes = torch.stack([x_axis, torch.stack([-x_axis[1], x_axis[0]])])
    turned = points @ axes.T
    low, high = turned.amin(0), turned.amax(0)
    return SquareRegions(((low + high) / 2 @ axes)[None], (high - low).max()[None] * scale, angle[None])


def overlapping_tiles(height: int, width: int, fraction: float) -> SquareRegions:
    """Upright squares of side `fraction` times the image's longer side that overlap by half and cover the image."""
    side = max(height, width) * fraction

    def centres(length: int) -> Tensor:
        if length <= side:
            return torch.tensor([length / 2])
        steps = math.ceil((length - side) / (side / 2))
        return torch.linspace(side / 2, length - side / 2, steps + 1)

    y, x = torch.meshgrid(centres(height), centres(width), indexing="ij")
    centre = torch.stack([x.flatten(), y.flatten()], dim=-1)
    return SquareRegions(centre, torch.full((len(centre),), side), torch.zeros(len(centre)))


def sample_regions(frame: Tensor, regions: SquareRegions, size: int, padding_mode: str) -> Tensor:
    """Cut regions out of one frame, each resampled to a square image.

    Only the pixels under a region become floats, so a 4K frame costs little.

    Args:
        frame: (H, W, 3) uint8.
        regions: N squares.
        size: side of the result, pixels.
        padding_mode: "zeros" or "border", what lies outside the frame.

    Returns:
        (N, 3, size, size) float, whole numbers in [0, 255].
    """
    steps = torch.arange(size, device=frame.device) / size
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    unit = torch.stack([x.flatten(), y.flatten()], dim=-1)
    positions = regions.to(frame.device).to_image(unit.expand(len(regions), -1, 2))
    corners = [0, size - 1, size * (size - 1), size * size - 1]
    factors = [_shrinking_factor(side / size, min(frame.shape[:2])) for side in regions.side.tolist()]
    # Many views of one large frame share its reduced image.
    reduced = {factor: _reduce(frame, factor) for factor in set(factors) if factor > 1 and factors.count(factor) > 1}
    rows = []
    for position, factor in zip(positions, factors, strict=True):
        if factor in reduced:
            patch, origin = reduced[factor], 0
        else:
            patch, origin = _cut_out(frame, position[corners], factor)
        inside = (position - origin + 0.5) / factor
        grid = inside * 2 / torch.tensor([patch.shape[3], patch.shape[2]], device=frame.device) - 1
        rows.append(F.grid_sample(patch, grid[None, None], padding_mode=padding_mode, align_corners=False)[0, :, 0])
    if not rows:
        return torch.zeros(0, 3, size, size, device=frame.device)
    # MediaPipe resamples in eight bits; without rounding landmarks move by up to a pixel.
    return torch.stack(rows).view(-1, 3, size, size).round()


def shrink_frame(frame: Tensor, factor: int) -> Tensor:
    """Shrink a frame by a whole factor, filtered: (H, W, 3) uint8 -> (H // factor, W // factor, 3) uint8."""
    if factor == 1:
        return frame
    image = frame.permute(2, 0, 1)[None]
    if frame.device.type != "cpu":  # only CPUs filter bytes, and there they do it thirty times faster than floats
        image = image.float()
    small = F.interpolate(image, scale_factor=1 / factor, mode="bilinear", antialias=True)
    return small[0].permute(1, 2, 0).round().to(torch.uint8)


def _shrinking_factor(reduction: float, limit: int) -> int:
    """Whole factor, at most `limit`, after which bilinear sampling skips no pixels."""
    return min(int(reduction / 2), limit) if reduction > MAX_BARE_REDUCTION else 1


def _reduce(frame: Tensor, factor: int) -> Tensor:
    """Shrink a frame or a part of one: (H, W, 3) uint8 -> (1, 3, h, w) float."""
    return shrink_frame(frame, factor).permute(2, 0, 1)[None].float()


def _cut_out(frame: Tensor, positions: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Reduced patch (1, 3, h, w) that covers all between positions (P, 2), and the pixel (2,) at which it begins."""
    limit = torch.tensor([frame.shape[1], frame.shape[0]], device=frame.device)
    # Blocks start at multiples of the factor, so that a patch shows the same blocks as the whole frame.
    low = ((positions.amin(0) / factor).floor().long() - 2).minimum(limit // factor - 1).clamp(min=0) * factor
    high = (((positions.amax(0) / factor).ceil().long() + 3) * factor).minimum(limit).maximum(low + factor)
    (left, top), (right, bottom) = low.tolist(), high.tolist()
    return _reduce(frame[top:bottom, left:right], factor), low
