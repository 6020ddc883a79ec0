"""Paints the inside of the mouth: the photo's own, kept rigid where it was seen, else a drawn one."""

from __future__ import annotations

import torch
from torch import Tensor

from .drawing import Drawing
from .mouth import LIP_CORNERS, lip_opening, shows_inside
from .sampling import apply, mix, polygon_distance, sample, smooth_outline, smoothstep
from .teeth import MouthPlace, arch_depth, draw_mouth
from .topology import LIP_RING
from .values import WarpSource
from .view import output_to_plane, source_grid

UPPER_LIP, LOWER_LIP = LIP_RING[:11], (LIP_RING[0], *LIP_RING[:9:-1])
# The front teeth lie about this much nearer than the corners of the mouth, cm.
TEETH_AHEAD_CM = 0.9
# Points of the upper jaw's middle, which no expression moves aside much, and of the lower jaw.
MIDLINE, JAW = (2, 164, 0), (152, 175, 199)
# Change of the opening, relative to the source's own, up to which the mesh's warp of the photo is kept.
SAME_OPENING, OTHER_OPENING = 0.03, 0.15
MIN_OPENING = 0.03
# Little light enters a slit: openings, and the light in the narrowest.
SLIT, LIT, SLIT_LIGHT = 0.01, 0.1, 0.4
# Softness of the lips' edge in pixels of the output, or of the photo where those are larger.
EDGE_SOFTNESS_PX, PHOTO_SOFTNESS_PX = 1.6, 1.2
# Lips shade what lies behind them over this distance from their edge, down to this share, cm.
LIP_SHADE_CM, LIP_SHADE = 0.2, 0.6
# Skin on both sides of the mouth, and how far its light may differ from that on the whole face.
BESIDE_MOUTH = ((206, 216, 212, 202), (426, 436, 432, 422))
MIN_SIDE_LIGHT, MAX_SIDE_LIGHT = 0.45, 1.25
# Teeth stay darker than the bright part of the eyes' white, where that is brighter than a share of the skin.
BRIGHT_WHITE, WHITE_SHARE, MIN_WHITE = 0.95, 0.97, 0.85


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
    # 1. How far inside the lips each pixel lies, and what it looks at.
    inside = polygon_distance(pixels, smooth_outline(lips, LIP_CORNERS, 2))
    pixel_cm = float(1 / (torch.linalg.det(to_output[:, :2]).abs().sqrt() * 128 * drawing.placement.scale))
    photo_cm = float(2 / (source.scale * source.crop_side))
    soft = max(EDGE_SOFTNESS_PX, PHOTO_SOFTNESS_PX * photo_cm / pixel_cm)
    cover = smoothstep(-0.7 * soft, 0.3 * soft, inside)
    teeth = _on_teeth(source, drawing, pixels, to_output)
    # 2. Its colours.
    colours, known = _inside(source, drawing, teeth, max(1.2 * pixel_cm, photo_cm), now)
    shade = mix(LIP_SHADE, 1.0, smoothstep(-0.25, 1.0, inside * (pixel_cm / LIP_SHADE_CM)))
    colours = colours * mix(shade, 1.0, known)
    drawing.image[:, rows, columns] = mix(drawing.image[:, rows, columns], colours, cover * other)
    drawing.confidence[box] *= mix(1.0, mix(1.0, 0.6 * known, other), cover)


def _on_teeth(source: WarpSource, drawing: Drawing, pixels: Tensor, to_output: Tensor) -> Tensor:
    """Where the view through pixels (h, w, 2) meets the arch of the teeth, (h, w, 3) cm."""
    placement = drawing.placement
    front = source.shape[[LIP_RING[0], LIP_RING[10]], 2].mean() + TEETH_AHEAD_CM
    plane = output_to_plane(pixels, to_output, placement.shift[0, 2])
    start = placement.to_head(plane.view(1, -1, 3))[0].view(plane.shape)
    ray = placement.rotation[0, 2]  # the camera's z axis in head space
    ray = ray / ray[2].clamp(min=0.2)
    on_front = start + (front - start[..., 2:]) * ray
    middle = source.shape[list(MIDLINE), 0].mean()
    behind = arch_depth(on_front[..., 0] - middle)
    # The depth at the place that the depth itself moves aside: two steps towards the fixed point.
    for _ in range(2):
        behind = arch_depth(on_front[..., 0] - behind * ray[0] - middle)
    return on_front - behind[..., None] * ray


def _inside(
    source: WarpSource, drawing: Drawing, teeth: Tensor, softness: float, opening: Tensor
) -> tuple[Tensor, Tensor]:
    """Colours (3, h, w) of the mouth's inside and how much of them the photo showed (h, w)."""
    head, shape = drawing.head, source.shape
    jaw = drawing.change[list(JAW)].mean(0)
    x, y = teeth[..., 0], teeth[..., 1]
    lip = _height_at(head, UPPER_LIP, x)
    place = MouthPlace(
        x=x - shape[list(MIDLINE), 0].mean(),
        y=y,
        seam=shape[[13, 13, 78, 308], 1].mean() - 0.25 * (shape[13, 1] - shape[14, 1]),
        upper_lip=lip,
        jaw_drop=jaw[1],
    )
    shows = shows_inside(shape)
    light = _light_beside(source, place.x)
    drawn, upper_tooth = draw_mouth(place, light, softness, 1 - shows, _tooth_limit(source))
    drawn = drawn * mix(SLIT_LIGHT, 1.0, smoothstep(SLIT, LIT, opening))
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


def _light_beside(source: WarpSource, x: Tensor) -> Tensor:
    """(3, h, w) the light on the skin at x from the mouth's middle, from what lies on both of its sides."""
    beside = source.positions[list(BESIDE_MOUTH[0] + BESIDE_MOUTH[1])].view(2, -1, 2)
    brightness = sample(source.skin_light, beside).mean((0, 2))
    share = (brightness / source.light.mean().clamp(min=0.02)).clamp(MIN_SIDE_LIGHT, MAX_SIDE_LIGHT)
    return source.light[:, None, None] * mix(share[0], share[1], smoothstep(-2.5, 2.5, x))


def _tooth_limit(source: WarpSource) -> Tensor:
    """() the brightness that teeth stay below: of the white of the eyes."""
    white, mask = source.eye_white[..., ::8, ::8].mean(1), source.eye_masks[:, 0, ::8, ::8]
    seen = white[mask > 0.9]
    skin = MIN_WHITE * source.light.mean()
    return torch.maximum(WHITE_SHARE * seen.quantile(BRIGHT_WHITE), skin) if len(seen) else skin


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
