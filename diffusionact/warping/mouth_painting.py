"""Paints the inside of the mouth: the photo's own, kept rigid where it was seen, else a drawn one."""

from __future__ import annotations

import torch
from torch import Tensor

from .drawing import Drawing, axes
from .mouth import LIP_CORNERS, lip_opening
from .own_mouth import UNDER_LIP, OwnMouth, find_own_mouth, light_inside, lip_lines
from .placement import ALIGNED_SIZE
from .rasteriser import gather
from .sampling import apply, mix, polygon_distance, sample, smooth_outline, smoothstep
from .teeth import MouthPlace, arch_depth, draw_mouth, lit_gum, shaded
from .topology import LIP_RING, index_of
from .values import WarpSource
from .view import output_scale, output_to_plane, source_grid

# Points of the lower jaw.
JAW = (152, 175, 199)
# Movement of the inner lips against the skull up to which the mesh's warp of the photo is kept, and beyond which the
# inside is drawn anew, cm.
SAME_LIPS_CM, OTHER_LIPS_CM = 0.03, 0.12
# Share of its own colour that the photo's mouth has under lips that rise; the rest is gum.
OWN_ABOVE = 0.4
# Where the lower lip has left the photo's teeth by so much, the last rim of it is cut away, cm.
LEFT_CM, RIM_CM = 0.15, 0.12
# Lips that meet after they had parted in the photo: openings, and reach and colour of the dark line between them.
MET, PARTED, SEAM_CM, SEAM_COLOUR = 0.004, 0.03, 0.07, (0.40, 0.20, 0.19)
# Softness of the lips' edge in pixels of the output, or of the photo where those are larger.
EDGE_SOFTNESS_PX, PHOTO_SOFTNESS_PX = 1.6, 1.2
# Lips shade what lies behind them over this distance from their edge, cm, down to this share; the photo's own
# teeth are shaded already.
LIP_SHADE_CM, LIP_SHADE, OWN_LIT = 0.2, 0.76, 0.6
# An upper lip that hangs so much lower than in the photo shades them again, cm.
LOWERED_CM = 0.15
# How much of the light that a narrower opening lets in less than the photo's they lose.
OWN_DIMMED = 0.5


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
    own, pixels = find_own_mouth(source), drawing.pixels[box]
    # 1. How far inside the lips each pixel lies, and what it looks at.
    inside = polygon_distance(*axes(pixels), smooth_outline(lips, LIP_CORNERS, 2))
    pixel_cm = float(1 / (output_scale(to_output) * (ALIGNED_SIZE / 2) * drawing.placement.scale))
    photo_cm = float(2 / (source.scale * source.crop_side))
    soft = max(EDGE_SOFTNESS_PX, PHOTO_SOFTNESS_PX * photo_cm / pixel_cm)
    cover = smoothstep(-0.7 * soft, 0.3 * soft, inside)
    teeth = _on_teeth(own, drawing, pixels, to_output)
    # 2. Its colours.
    colours, known, lit = _inside(source, own, drawing, teeth, max(1.2 * pixel_cm, photo_cm), now)
    shade = mix(LIP_SHADE, 1.0, smoothstep(-0.25, 1.0, inside * (pixel_cm / LIP_SHADE_CM)))
    colours = colours * shaded(mix(shade, 1.0, lit))
    drawing.paint(box, colours, cover * other)
    drawing.confidence[box] *= mix(1.0, mix(1.0, 0.6 * known, other), cover)
    _draw_seam(source, drawing, box, inside * pixel_cm, own.shows * smoothstep(PARTED, MET, now))


def _draw_seam(source: WarpSource, drawing: Drawing, box: tuple[slice, slice], inside: Tensor, amount: Tensor) -> None:
    """The line between lips that have met, where the mesh would show a last rim of teeth; `inside` (h, w) is in cm."""
    if amount <= 0:
        return
    line = amount * (-(inside / SEAM_CM).square()).exp()
    colour = (source.light * source.light.new_tensor(SEAM_COLOUR))[:, None, None]
    drawing.paint(box, torch.minimum(drawing.image[:, box[0], box[1]], colour), line)
    drawing.confidence[box] *= 1 - 0.5 * line


def _on_teeth(own: OwnMouth, drawing: Drawing, pixels: Tensor, to_output: Tensor) -> Tensor:
    """Where the view through pixels (h, w, 2) meets the arch of the teeth, (h, w, 3) cm."""
    placement = drawing.placement
    plane = output_to_plane(pixels, to_output, placement.shift[0, 2])
    start = placement.to_head(plane.view(1, -1, 3))[0].view(plane.shape)
    ray = placement.rotation[0, 2]  # the camera's z axis in head space
    ray = ray / ray[2].clamp(min=0.2)
    on_front = start + (own.front - start[..., 2:]) * ray
    aside = on_front[..., 0] - own.middle
    behind = arch_depth(aside)
    # The depth at the place that the depth itself moves aside: two steps towards the fixed point.
    for _ in range(2):
        behind = arch_depth(aside - behind * ray[0])
    return on_front - behind[..., None] * ray


def _inside(
    source: WarpSource, own: OwnMouth, drawing: Drawing, teeth: Tensor, softness: float, opening: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Colours (3, h, w) of the mouth's inside, and how much of them the photo showed and shaded, both (h, w)."""
    jaw = gather(drawing.change, index_of(JAW, teeth.device)).mean(0)
    x, y = teeth[..., 0].contiguous(), teeth[..., 1]
    (lip, lower_lip), (own_lip, own_edge) = _heights(torch.cat([lip_lines(drawing.head), own.lips]), x).split(2)
    place = MouthPlace(x=x - own.middle, y=y, seam=own.seam, upper_lip=lip, jaw_drop=jaw[1] + own.jaw_drop)
    beside = mix(*own.light_beside, smoothstep(-2.5, 2.5, place.x))
    light, teeth_shown = source.light[:, None, None] * beside, own.shows * own.shows_teeth
    drawn, upper_tooth = draw_mouth(place, light, softness, 1 - teeth_shown, own.tooth_limit)
    entering = light_inside(opening)
    drawn = drawn * entering
    if own.shows <= 0:
        return drawn, torch.zeros_like(x), torch.zeros_like(x)
    under_lip = 0.65 + 0.35 * smoothstep(0.0, 0.3, lip - y)
    shown, seen = _shown(source, own, teeth)
    shown = shown * shaded((entering / own.light_inside).clamp(max=1) ** OWN_DIMMED)
    gum = shown.mean(0) / source.light.mean().clamp(min=0.02) * lit_gum(source.light)
    shown = mix(gum, shown, mix(OWN_ABOVE, 1.0, seen))
    # Below what the photo showed of the upper jaw the cavity goes on, without a second row of drawn teeth, if the photo
    # showed the whole of the first.
    rim = RIM_CM * smoothstep(0.0, LEFT_CM, own_edge - lower_lip)
    above_rim = y - own_edge - rim
    above = smoothstep(-0.08, 0.08, above_rim)
    seen = seen * torch.where(rim > 0.01, smoothstep(-0.5, 0.5, above_rim / rim.clamp(min=0.01)), 1.0)
    hidden = mix(drawn, own.cavity[:, None, None], upper_tooth * teeth_shown * own.shows_edge)
    colours = mix(hidden, shown * shaded(mix(under_lip, 1.0, seen)), above * teeth_shown)
    known = seen * own.shows
    # An upper lip that hangs lower than in the photo shades what was lit there.
    lowered = smoothstep(0.0, LOWERED_CM, own_lip - lip)
    return mix(colours, shown, known), known, torch.maximum(known, OWN_LIT * own.shows) * (1 - lowered)


def _shown(source: WarpSource, own: OwnMouth, teeth: Tensor) -> tuple[Tensor, Tensor]:
    """The photo's mouth (3, h, w) at points (h, w, 3) of head space that move with the skull, and where it was seen.

    Above what the photo showed the teeth go on straight upwards.
    """
    places = apply(source.mouth_frame, source_grid(source, teeth))
    step = 2 / source.mouth_inside.shape[-1]
    seen = smoothstep(0.55, 0.95, sample(source.mouth_inside[3:], places)[0])
    if own.extent is None:
        return sample(source.mouth_inside[:3], places), 0 * seen
    tops, first, last = own.extent
    x = places[..., 0].clamp(first + UNDER_LIP * step, max(last - UNDER_LIP * step, first + UNDER_LIP * step))
    at = (x - first) / max(last - first, step) * 2 - 1
    top = (sample(tops[:, None], torch.stack([at, 0 * at], dim=-1))[0] + UNDER_LIP) * step + step / 2 - 1
    held = torch.stack([x, torch.maximum(places[..., 1], top)], dim=-1)
    colours = sample(source.mouth_inside[:3], mix(held, places, seen[..., None]), "bicubic")
    return colours.clamp(0, 1), seen


def _heights(lines: Tensor, x: Tensor) -> Tensor:
    """Heights (L, h, w) of lines (L, K, 2) of growing x and their y, at x (h, w); cm."""
    at, height = lines.unbind(-1)
    wanted = x.flatten().expand(len(lines), -1)
    right = torch.searchsorted(at.contiguous(), wanted.contiguous()).clamp_(1, lines.shape[1] - 1)
    start, low = at.gather(1, right - 1), height.gather(1, right - 1)
    share = ((wanted - start) / (at.gather(1, right) - start)).clamp_(0, 1)
    return mix(low, height.gather(1, right), share).view(-1, *x.shape)
