"""Paints the inside of the mouth: the photo's own, kept rigid where it was seen, else a drawn one."""

from __future__ import annotations

import torch
from torch import Tensor

from .drawing import Drawing
from .mouth import LIP_CORNERS, lip_opening, shows_inside
from .sampling import apply, mix, polygon_coverage, sample, smooth_outline, smoothstep
from .teeth import MouthPlace, draw_mouth
from .topology import CHIN, LIP_RING
from .values import WarpSource
from .view import output_to_plane, source_grid

UPPER_LIP, LOWER_LIP = LIP_RING[:11], (LIP_RING[0], *LIP_RING[:9:-1])
# Teeth lie about this much nearer than the corners of the mouth, cm.
TEETH_AHEAD_CM = 0.3
# Change of the opening, relative to the source's own, up to which the mesh's warp of the photo is kept.
SAME_OPENING, OTHER_OPENING = 0.03, 0.15
MIN_OPENING = 0.03
# Little light enters a slit.
SLIT, LIT = 0.03, 0.13


def paint_mouth(source: WarpSource, drawing: Drawing, to_output: Tensor) -> None:
    """Paint the mouth into the drawing, in place; `to_output` (2, 3) is aligned px -> px of the drawing."""
    lips = drawing.points[list(LIP_RING)]
    box = drawing.box(lips.amin(0) - 2, lips.amax(0) + 2)
    now, before = lip_opening(drawing.head), lip_opening(source.shape)
    change = (now - before).abs() / before.clamp(min=MIN_OPENING)
    other = smoothstep(SAME_OPENING, OTHER_OPENING, change)
    if box is None or other <= 0:
        return
    rows, columns = box
    pixels = drawing.pixels[box]
    cover = polygon_coverage(pixels, smooth_outline(lips, LIP_CORNERS, 2), 1.4)
    teeth = _on_teeth(source, drawing, pixels, to_output)
    pixel_cm = float(1 / (torch.linalg.det(to_output[:, :2]).abs().sqrt() * 128 * drawing.placement.scale))
    colours, known = _inside(source, drawing, teeth, pixel_cm, now)
    share = cover * other
    drawing.image[:, rows, columns] = mix(drawing.image[:, rows, columns], colours, share)
    drawing.confidence[box] *= mix(1.0, mix(1.0, 0.6 * known, other), cover)


def _on_teeth(source: WarpSource, drawing: Drawing, pixels: Tensor, to_output: Tensor) -> Tensor:
    """Where the view through pixels (h, w, 2) meets the plane of the front teeth, (h, w, 3) cm."""
    placement = drawing.placement
    depth = source.shape[[LIP_RING[0], LIP_RING[10]], 2].mean() + TEETH_AHEAD_CM
    plane = output_to_plane(pixels, to_output, placement.shift[0, 2])
    start = placement.to_head(plane.view(1, -1, 3))[0].view(plane.shape)
    ray = placement.rotation[0, 2]  # the camera's z axis in head space
    return start + ((depth - start[..., 2]) / ray[2].clamp(min=0.2))[..., None] * ray


def _inside(
    source: WarpSource, drawing: Drawing, teeth: Tensor, pixel_cm: float, opening: Tensor
) -> tuple[Tensor, Tensor]:
    """Colours (3, h, w) of the mouth's inside and how much of them the photo showed (h, w)."""
    head, shape = drawing.head, source.shape
    jaw = drawing.change[list(CHIN)].mean(0)
    x, y = teeth[..., 0], teeth[..., 1]
    lip = _height_at(head, UPPER_LIP, x)
    place = MouthPlace(
        x=x - head[[LIP_RING[0], LIP_RING[10]], 0].mean(),
        y=y,
        seam=shape[[13, 13, 78, 308], 1].mean() - 0.5 * (shape[13, 1] - shape[14, 1]) * 0.5,
        upper_lip=lip,
        jaw_drop=jaw[1],
    )
    shows = shows_inside(shape)
    drawn, upper_tooth = draw_mouth(place, source.light, pixel_cm, 1 - shows)
    drawn = drawn * (0.35 + 0.65 * smoothstep(SLIT, LIT, opening))
    if shows <= 0:
        return drawn, torch.zeros_like(x)
    under_lip = 0.5 + 0.5 * smoothstep(0.0, 0.45, lip - y)
    own, seen = _own(source, teeth)
    # Below what the photo showed of the upper jaw the cavity goes on, without a second row of drawn teeth.
    own_edge = _height_at(shape, LOWER_LIP, x)
    above = smoothstep(-0.10, 0.10, y - own_edge) * shows
    hidden = drawn * (1 - shows * upper_tooth) + shows * upper_tooth * _cavity(source)[:, None, None]
    colours = mix(hidden, own * mix(under_lip, 1.0, seen), above)
    return mix(colours, own, seen * shows), seen * shows


def _own(source: WarpSource, teeth: Tensor) -> tuple[Tensor, Tensor]:
    """The photo's mouth (3, h, w) at points (h, w, 3) of head space that move with the skull, and where it was seen."""
    values = sample(source.mouth_inside, apply(source.mouth_frame, source_grid(source, teeth)), "bicubic")
    return values[:3].clamp(0, 1), smoothstep(0.55, 0.95, values[3])


def _cavity(source: WarpSource) -> Tensor:
    """(3,) the darkest tenth of the mouth that the photo showed."""
    seen = source.mouth_inside[:3][:, source.mouth_inside[3] > 0.9]
    if not seen.numel():
        return source.light * 0.15
    return seen[:, seen.sum(0) <= seen.sum(0).quantile(0.1)].mean(1)


def _height_at(points: Tensor, line: tuple[int, ...], x: Tensor) -> Tensor:
    """Height (h, w) of a line of mesh points, from the image's left to its right, at x (h, w); cm."""
    at, height = points[list(line), 0], points[list(line), 1]
    at = torch.cummax(at, 0).values + 1e-4 * torch.arange(len(at), device=at.device)
    right = torch.searchsorted(at, x.contiguous()).clamp(1, len(line) - 1)
    share = ((x - at[right - 1]) / (at[right] - at[right - 1])).clamp(0, 1)
    return mix(height[right - 1], height[right], share)
