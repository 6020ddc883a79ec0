"""Paints the inside of the mouth: the photo's own, kept rigid where it was seen, else a drawn one."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .drawing import Drawing
from .mouth import LIP_CORNERS, lip_opening, shows_inside
from .sampling import apply, mix, polygon_distance, sample, smooth_outline, smoothstep
from .teeth import LOWER_EDGE_CM, UPPER_EDGE_CM, MouthPlace, arch_depth, draw_mouth, lit_gum, shaded
from .topology import LIP_RING, index_of
from .values import WarpSource
from .view import output_to_plane, source_grid

UPPER_LIP, LOWER_LIP = LIP_RING[:11], (LIP_RING[0], *LIP_RING[:9:-1])
# The front teeth lie about this much nearer than the corners of the mouth, cm.
TEETH_AHEAD_CM = 0.9
# Points of the upper jaw's middle, which no expression moves aside much, and of the lower jaw.
MIDLINE, JAW = (2, 164, 0), (152, 175, 199)
# Movement of the inner lips against the skull up to which the mesh's warp of the photo is kept, and beyond which the
# inside is drawn anew, cm.
SAME_LIPS_CM, OTHER_LIPS_CM = 0.03, 0.12
# The photo's own teeth go on under lips that rise: from this far inside what it showed, px of the patch.
UNDER_LIP = 3.0
# Share of its own colour there; the rest is gum.
OWN_ABOVE = 0.4
# Where the lower lip has left the photo's teeth by so much, the last rim of it is cut away, cm.
LEFT_CM, RIM_CM = 0.15, 0.12
# Openings of the photo's mouth from which the edge of its upper teeth may show, and does, cm.
WHOLE_TEETH_CM = (0.3, 0.7)
# Brightness under the upper lip for that of the skin, of no teeth and of teeth.
TOOTH_SHARE = (0.35, 0.55)
# Lips that meet after they had parted in the photo: openings, and reach and colour of the dark line between them.
MET, PARTED, SEAM_CM, SEAM_COLOUR = 0.004, 0.03, 0.07, (0.40, 0.20, 0.19)
# Little light enters a slit: openings, and the light in the narrowest.
SLIT, LIT, SLIT_LIGHT = 0.01, 0.1, 0.4
# Softness of the lips' edge in pixels of the output, or of the photo where those are larger.
EDGE_SOFTNESS_PX, PHOTO_SOFTNESS_PX = 1.6, 1.2
# Lips shade what lies behind them over this distance from their edge, cm, down to this share; the photo's own
# teeth are shaded already.
LIP_SHADE_CM, LIP_SHADE, OWN_LIT = 0.2, 0.76, 0.6
# An upper lip that hangs so much lower than in the photo shades them again, cm.
LOWERED_CM = 0.15
# How much of the light that a narrower opening lets in less than the photo's they lose.
OWN_DIMMED = 0.5
# Skin on both sides of the mouth, and how far its light may differ from that on the whole face.
BESIDE_MOUTH = ((206, 216, 212, 202), (426, 436, 432, 422))
MIN_SIDE_LIGHT, MAX_SIDE_LIGHT = 0.45, 1.25
# Teeth stay darker than the bright part of the eyes' white, where that is brighter than a share of the skin.
BRIGHT_WHITE, WHITE_SHARE, MIN_WHITE = 0.95, 1.05, 1.45


def paint_mouth(source: WarpSource, drawing: Drawing, to_output: Tensor) -> None:
    """Paint the mouth into the drawing, in place; `to_output` (2, 3) is aligned px -> px of the drawing."""
    ring = index_of(LIP_RING, drawing.points.device)
    lips = drawing.points.index_select(0, ring)
    box = drawing.box(lips.amin(0) - 2, lips.amax(0) + 2)
    now = lip_opening(drawing.head)
    moved = drawing.change.index_select(0, ring)[:, :2].square().sum(1).mean().sqrt()
    other = smoothstep(SAME_LIPS_CM, OTHER_LIPS_CM, moved)
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
    colours, known, lit = _inside(source, drawing, teeth, max(1.2 * pixel_cm, photo_cm), now)
    shade = mix(LIP_SHADE, 1.0, smoothstep(-0.25, 1.0, inside * (pixel_cm / LIP_SHADE_CM)))
    colours = colours * shaded(mix(shade, 1.0, lit))
    drawing.image[:, rows, columns] = mix(drawing.image[:, rows, columns], colours, cover * other)
    drawing.confidence[box] *= mix(1.0, mix(1.0, 0.6 * known, other), cover)
    _draw_seam(source, drawing, box, inside * pixel_cm, _shows(source) * smoothstep(PARTED, MET, now))


def _draw_seam(source: WarpSource, drawing: Drawing, box: tuple[slice, slice], inside: Tensor, amount: Tensor) -> None:
    """The line between lips that have met, where the mesh would show a last rim of teeth; `inside` (h, w) is in cm."""
    if amount <= 0:
        return
    line = amount * (-(inside / SEAM_CM).square()).exp()
    colour = (source.light * source.light.new_tensor(SEAM_COLOUR))[:, None, None]
    image = drawing.image[:, box[0], box[1]]
    drawing.image[:, box[0], box[1]] = mix(image, torch.minimum(image, colour), line)
    drawing.confidence[box] *= 1 - 0.5 * line


def _on_teeth(source: WarpSource, drawing: Drawing, pixels: Tensor, to_output: Tensor) -> Tensor:
    """Where the view through pixels (h, w, 2) meets the arch of the teeth, (h, w, 3) cm."""
    placement = drawing.placement
    front = source.shape[[LIP_RING[0], LIP_RING[10]], 2].mean() + TEETH_AHEAD_CM
    plane = output_to_plane(pixels, to_output, placement.shift[0, 2])
    start = placement.to_head(plane.view(1, -1, 3))[0].view(plane.shape)
    ray = placement.rotation[0, 2]  # the camera's z axis in head space
    ray = ray / ray[2].clamp(min=0.2)
    on_front = start + (front - start[..., 2:]) * ray
    middle = _middle(source)
    behind = arch_depth(on_front[..., 0] - middle)
    # The depth at the place that the depth itself moves aside: two steps towards the fixed point.
    for _ in range(2):
        behind = arch_depth(on_front[..., 0] - behind * ray[0] - middle)
    return on_front - behind[..., None] * ray


def _inside(
    source: WarpSource, drawing: Drawing, teeth: Tensor, softness: float, opening: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Colours (3, h, w) of the mouth's inside, and how much of them the photo showed and shaded, both (h, w)."""
    head, shape = drawing.head, source.shape
    jaw = drawing.change[list(JAW)].mean(0)
    x, y = teeth[..., 0], teeth[..., 1]
    lip = _height_at(head, UPPER_LIP, x)
    place = MouthPlace(
        x=x - _middle(source),
        y=y,
        seam=_seam(source),
        upper_lip=lip,
        jaw_drop=jaw[1] + _own_jaw_drop(source),
    )
    shows = _shows(source)
    light = _light_beside(source, place.x)
    drawn, upper_tooth = draw_mouth(place, light, softness, 1 - shows * _shows_teeth(source), _tooth_limit(source))
    drawn = drawn * _light_inside(opening)
    if shows <= 0:
        return drawn, torch.zeros_like(x), torch.zeros_like(x)
    under_lip = 0.65 + 0.35 * smoothstep(0.0, 0.3, lip - y)
    own, seen = _own(source, teeth)
    own = own * shaded((_light_inside(opening) / _light_inside(lip_opening(shape))).clamp(max=1) ** OWN_DIMMED)
    gum = own.mean(0) / source.light.mean().clamp(min=0.02) * lit_gum(source.light)
    own = mix(gum, own, mix(OWN_ABOVE, 1.0, seen))
    # Below what the photo showed of the upper jaw the cavity goes on, without a second row of drawn teeth, if the photo
    # showed the whole of the first.
    own_edge = _height_at(shape, LOWER_LIP, x)
    rim = RIM_CM * smoothstep(0.0, LEFT_CM, own_edge - _height_at(head, LOWER_LIP, x))
    above = smoothstep(-0.08, 0.08, y - own_edge - rim)
    seen = seen * torch.where(rim > 0.01, smoothstep(-0.5, 0.5, (y - own_edge - rim) / rim.clamp(min=0.01)), 1.0)
    teeth_shown = shows * _shows_teeth(source)
    hidden = mix(drawn, _cavity(source)[:, None, None], upper_tooth * teeth_shown * _shows_edge(source))
    colours = mix(hidden, own * shaded(mix(under_lip, 1.0, seen)), above * teeth_shown)
    known = seen * shows
    # An upper lip that hangs lower than in the photo shades what was lit there.
    lowered = smoothstep(0.0, LOWERED_CM, _height_at(shape, UPPER_LIP, x) - lip)
    return mix(colours, own, known), known, torch.maximum(known, OWN_LIT * shows) * (1 - lowered)


def _light_inside(opening: Tensor) -> Tensor:
    """() share of the light on the skin that enters a mouth of this opening."""
    return mix(SLIT_LIGHT, 1.0, smoothstep(SLIT, LIT, opening))


@lru_cache(maxsize=4)  # of a source's tensors, which stay the same
def _shows(source: WarpSource) -> Tensor:
    """() see `shows_inside`, of the photo."""
    return shows_inside(source.shape)


@lru_cache(maxsize=4)  # of a source's tensors, which stay the same
def _seam(source: WarpSource) -> Tensor:
    """() height of the closed lips, cm; in an open mouth that is dark the upper teeth end at the upper lip."""
    upper, lower = source.shape[13, 1], source.shape[14, 1]
    seam = source.shape[[13, 13, 78, 308], 1].mean() - 0.25 * (upper - lower)
    return mix(seam, upper + UPPER_EDGE_CM, _shows(source) * (1 - _shows_teeth(source)))


@lru_cache(maxsize=4)  # of a source's tensors, which stay the same
def _own_jaw_drop(source: WarpSource) -> Tensor:
    """() how far the jaw had moved up in the photo, cm: in a dark mouth, lower teeth end at the lower lip."""
    dropped = (source.shape[14, 1] - _seam(source) + LOWER_EDGE_CM).clamp(max=0)
    return _shows(source) * (1 - _shows_teeth(source)) * dropped


@lru_cache(maxsize=4)  # of a source's tensors, which stay the same
def _shows_edge(source: WarpSource) -> Tensor:
    """() in [0, 1]: whether the photo's mouth is open far enough to show where its upper teeth end."""
    return smoothstep(*WHOLE_TEETH_CM, source.shape[13, 1] - source.shape[14, 1])


@lru_cache(maxsize=4)  # of a source's tensors, which stay the same
def _shows_teeth(source: WarpSource) -> Tensor:
    """() in [0, 1]: whether what the photo shows under the upper lip is as bright as teeth are."""
    extent = _extent(source)
    if extent is None:
        return source.light.new_zeros(())
    rows = torch.arange(source.mouth_inside.shape[-1], device=source.light.device)[:, None]
    tops, first, last = extent
    side = source.mouth_inside.shape[-1]
    start, end = (round((edge + 1) * side / 2 - 0.5) for edge in (first, last))
    quarter = (end - start) // 4
    middle = slice(quarter, end + 1 - start - quarter)
    under = (rows - tops[0] - UNDER_LIP).abs() <= 2
    shown = source.mouth_inside[:3, :, start : end + 1].mean(0)
    brightness = shown[:, middle][under[:, middle]].mean()
    return smoothstep(*TOOTH_SHARE, brightness / source.light.mean().clamp(min=0.02))


@lru_cache(maxsize=4)  # of a source's tensors, which stay the same
def _middle(source: WarpSource) -> Tensor:
    """() x of the mouth's middle, cm."""
    return source.shape[list(MIDLINE), 0].mean()


def _light_beside(source: WarpSource, x: Tensor) -> Tensor:
    """(3, h, w) the light on the skin at x from the mouth's middle, from what lies on both of its sides."""
    beside = source.positions[list(BESIDE_MOUTH[0] + BESIDE_MOUTH[1])].view(2, -1, 2)
    brightness = sample(source.skin_light, beside).mean((0, 2))
    share = (brightness / source.light.mean().clamp(min=0.02)).clamp(MIN_SIDE_LIGHT, MAX_SIDE_LIGHT)
    return source.light[:, None, None] * mix(share[0], share[1], smoothstep(-2.5, 2.5, x))


@lru_cache(maxsize=4)  # of a source's tensors, which stay the same
def _tooth_limit(source: WarpSource) -> Tensor:
    """() the brightness that teeth stay below: of the white of the eyes."""
    white, mask = source.eye_white[..., ::8, ::8].mean(1), source.eye_masks[:, 0, ::8, ::8]
    seen = white[mask > 0.9]
    skin = MIN_WHITE * source.light.mean()
    return torch.maximum(WHITE_SHARE * seen.quantile(BRIGHT_WHITE), skin) if len(seen) else skin


def _own(source: WarpSource, teeth: Tensor) -> tuple[Tensor, Tensor]:
    """The photo's mouth (3, h, w) at points (h, w, 3) of head space that move with the skull, and where it was seen.

    Above what the photo showed the teeth go on straight upwards.
    """
    places = apply(source.mouth_frame, source_grid(source, teeth))
    step = 2 / source.mouth_inside.shape[-1]
    seen = smoothstep(0.55, 0.95, sample(source.mouth_inside[3:], places)[0])
    extent = _extent(source)
    if extent is None:
        return sample(source.mouth_inside[:3], places), 0 * seen
    tops, first, last = extent
    x = places[..., 0].clamp(first + UNDER_LIP * step, max(last - UNDER_LIP * step, first + UNDER_LIP * step))
    at = (x - first) / max(last - first, step) * 2 - 1
    top = (sample(tops[:, None], torch.stack([at, 0 * at], dim=-1))[0] + UNDER_LIP) * step + step / 2 - 1
    held = torch.stack([x, torch.maximum(places[..., 1], top)], dim=-1)
    colours = sample(source.mouth_inside[:3], mix(held, places, seen[..., None]), "bicubic")
    return colours.clamp(0, 1), seen


@lru_cache(maxsize=4)  # of a source's tensors, which stay the same
def _extent(source: WarpSource) -> tuple[Tensor, float, float] | None:
    """Where the patch shows the mouth: its upper end (1, K) px, and the first and last column, grid coordinates."""
    shown = source.mouth_inside[3] > 0.95
    columns = shown.any(0).nonzero()[:, 0]
    if not len(columns):
        return None
    step = 2 / shown.shape[-1]
    first, last = (float(columns[i]) * step + step / 2 - 1 for i in (0, -1))
    tops = shown[:, columns[0] : columns[-1] + 1].int().argmax(0).float()
    return F.avg_pool1d(F.pad(tops[None, None], (4, 4), mode="replicate"), 9, 1)[0], first, last


@lru_cache(maxsize=4)  # of a source's tensors, which stay the same
def _cavity(source: WarpSource) -> Tensor:
    """(3,) the darkest tenth of the mouth that the photo showed."""
    seen = source.mouth_inside[:3][:, source.mouth_inside[3] > 0.9]
    if not seen.numel():
        return source.light * 0.15
    return seen[:, seen.sum(0) <= seen.sum(0).quantile(0.1)].mean(1)


def _height_at(points: Tensor, line: tuple[int, ...], x: Tensor) -> Tensor:
    """Height (h, w) of a line of mesh points, from the image's left to its right, at x (h, w); cm."""
    at, height, _ = points.index_select(0, index_of(line, points.device)).unbind(1)
    at = torch.cummax(at, 0).values + 1e-4 * torch.arange(len(at), device=at.device)
    right = torch.searchsorted(at, x.contiguous()).clamp(1, len(line) - 1)
    share = ((x - at[right - 1]) / (at[right] - at[right - 1])).clamp(0, 1)
    return mix(height[right - 1], height[right], share)
