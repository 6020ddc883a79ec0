"""What is seen inside the lips: what the photo shows of it, and drawn teeth, tongue and cavity where it shows nothing.

What the photo shows above the edge of the upper teeth stays with the skull, what it shows below goes with the jaw.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .drawing import Drawing
from .mouth import heights_at, lip_lines
from .own_mouth import OwnMouth, light_inside
from .rasteriser import gather
from .sampling import apply, mix, sample, smoothstep
from .teeth import ROW_RISE, UPPER_EDGE_CM, MouthPlace, draw_mouth, shaded, tooth_colour
from .topology import index_of
from .values import WarpSource
from .view import source_grid

# Points of the lower jaw, and the middles of the lips' inner edges.
JAW, UPPER_MIDDLE, LOWER_MIDDLE = (152, 175, 199), 13, 14
# Heights between the lips of the photo from which it shows something, and half the width of the border between what
# goes with the skull and with the jaw, cm.
OPEN_CM, EDGE_CM = (0.05, 0.25), 0.04
# The photo shows a last rim of the lips, of this height. It is left out where the upper lip has risen from the first to
# the second of two distances, or the lower one has dropped by a third, cm.
RISEN_CM, DROPPED_CM, RIM_CM = (0.04, 0.2), 0.15, 0.12
# Softness of the border where the upper lip's shade begins, cm.
SHADE_CM = (-0.14, 0.06)
# What lies behind the lips' corners is not told by what the photo shows so close to them, cm.
CORNER_CM = (0.1, 0.7)
# Of a strip of this height below the upper teeth only what is bright for the skin counts, as lower teeth are; a mouth
# that is open wide counts as a whole, cm. This share of it fades in.
STRIP_BELOW_CM, WHOLE_BELOW_CM, BRIGHT_BELOW, TOP_SHARE = (0.4, 0.7), (0.9, 1.3), (0.35, 0.6), 0.4
# Lips shade the photo's own teeth by this share less than drawn ones, as they are shaded already; an upper lip that
# hangs lower, or an opening that is narrower, than in the photo by so much shades them again, cm.
OWN_LIT, LOWERED_CM = 0.6, 0.15
# How much of the light that a narrower opening lets in less than the photo's they lose, and how much wider one must be
# until they have all of it, cm.
OWN_DIMMED, LIT_CM = 0.5, 0.6


@dataclass(frozen=True)
class _Heights:
    """At each pixel, (h, w) cm of head space.

    Attributes:
        aside: to the image's right of the mouth's middle.
        y: upwards.
        upper, lower: the inner edges of the lips.
        own_upper, own_lower: those in the photo.
        from_corner, from_own_corner: how far inside the nearer corner of the lips, and of those in the photo.
        jaw, lower_part: how far the jaw has moved up since the photo, and what the photo shows of the lower half, ().
    """

    aside: Tensor
    y: Tensor
    upper: Tensor
    lower: Tensor
    own_upper: Tensor
    own_lower: Tensor
    from_corner: Tensor
    from_own_corner: Tensor
    jaw: Tensor
    lower_part: Tensor


def inside_of_mouth(
    source: WarpSource, own: OwnMouth, drawing: Drawing, teeth: Tensor, softness: float, opening: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The inside of a mouth.

    Args:
        source: made ready.
        own: its mouth in the photo.
        drawing: the frame.
        teeth: (h, w, 3) where the view through each pixel meets the arch of the teeth, cm.
        softness: width of a pixel of the output or of the photo, whichever is larger, cm.
        opening: () see `mouth.lip_opening`.

    Returns:
        Colours (3, h, w); how much of them the photo shows, and how far they are lit without the lips' shade, (h, w).
    """
    at, entering = _heights(own, drawing, teeth), light_inside(opening)
    edge, shade, has_teeth, colour = own.teeth.at(at.aside)
    wider = smoothstep(0.0, LIT_CM, drawing.change[UPPER_MIDDLE, 1] - drawing.change[LOWER_MIDDLE, 1])
    gain = mix(1.0, own.brighter, wider)
    drawn, tooth = _drawn(source, own, drawing, at, edge, colour * gain, softness)
    drawn = drawn * entering
    if own.shows <= 0:
        return drawn, torch.zeros_like(edge), torch.zeros_like(edge)
    lost = shaded((entering / own.light_inside).clamp(max=1) ** OWN_DIMMED)
    upper, lower = _shown(source, teeth, at, edge)
    upper, lower = upper * lost * gain, lower * lost * gain
    is_upper = own.shows * own.teeth.shows * _shows_upper(at, edge, shade, has_teeth)
    bright = smoothstep(*BRIGHT_BELOW, lower.mean(0) / source.light.mean().clamp(min=0.02))
    is_lower = own.shows * _shows_lower(at, edge, bright) * (1 - tooth)
    known = torch.maximum(is_upper, is_lower)
    narrower = (at.own_upper - at.own_lower) - (at.upper - at.lower)
    lowered = smoothstep(0.0, LOWERED_CM, torch.maximum(at.own_upper - at.upper, narrower))
    lit = torch.maximum(known, OWN_LIT * own.shows) * (1 - lowered)
    return mix(mix(drawn, lower, is_lower), upper, is_upper), known, lit


def _heights(own: OwnMouth, drawing: Drawing, teeth: Tensor) -> _Heights:
    x, lips = teeth[..., 0].contiguous(), torch.cat([lip_lines(drawing.head), own.lips])
    left, right = lips[::2, 0, :1, None], lips[::2, -1, :1, None]
    corners = torch.minimum(x - left, right - x)
    jaw = gather(drawing.change, index_of(JAW, x.device)).mean(0)[1]
    # Lower teeth go with the jaw, but do not come out of the lip by more than in the photo.
    lower_part = torch.minimum(jaw, drawing.change[LOWER_MIDDLE, 1])
    return _Heights(x - own.middle, teeth[..., 1], *heights_at(lips, x), *corners, jaw, lower_part)


def _drawn(
    source: WarpSource, own: OwnMouth, drawing: Drawing, at: _Heights, edge: Tensor, colour: Tensor, softness: float
) -> tuple[Tensor, Tensor]:
    """A drawn mouth in the colour and in the row of the photo's teeth; see `draw_mouth`."""
    light = source.light[:, None, None] * mix(*own.light_beside, smoothstep(-2.5, 2.5, at.aside))
    teeth_shown = own.shows * own.teeth.shows
    place = MouthPlace(
        x=at.aside,
        y=at.y,
        seam=mix(own.seam, edge - ROW_RISE * at.aside.square() + UPPER_EDGE_CM, teeth_shown),
        upper_lip=at.upper,
        lower_lip=drawing.head[LOWER_MIDDLE, 1],
        from_corner=at.from_corner,
        jaw_drop=at.jaw + own.jaw_drop,
        tooth_height=own.teeth.height,
    )
    tooth = mix(tooth_colour(light, own.tooth_limit), colour, teeth_shown)
    return draw_mouth(place, light, softness, 1 - teeth_shown, tooth)


def _shown(source: WarpSource, teeth: Tensor, at: _Heights, edge: Tensor) -> tuple[Tensor, Tensor]:
    """What the photo shows of the upper and of the lower half of the mouth, (3, h, w) each, moved as those have.

    Where a lip has left it, it goes on straight, without the lip's rim.
    """
    points = torch.stack([teeth, teeth])
    points[0, ..., 1] = at.y.clamp(_rim(at, at.lower), at.own_upper)
    points[1, ..., 1] = (at.y - at.lower_part).clamp(_rim(at, at.lower - at.lower_part), edge)
    places = apply(source.mouth_frame, source_grid(source, points))
    return sample(source.mouth_inside[:3], places, "bicubic").clamp(0, 1).unbind(1)


def _rim(at: _Heights, lower_lip: Tensor) -> Tensor:
    """Height (h, w) above which the photo shows no rim of its lower lip, now at (h, w)."""
    return at.own_lower + RIM_CM * smoothstep(0.0, DROPPED_CM, at.own_lower - lower_lip)


def _shows_upper(at: _Heights, edge: Tensor, shade: Tensor, has_teeth: Tensor) -> Tensor:
    """(h, w) whether the photo shows upper teeth.

    As the lip rises they are drawn above what the photo shows of them out of the lip's shade, and beside it.
    """
    risen = smoothstep(*RISEN_CM, at.upper - at.own_upper)
    above = smoothstep(*SHADE_CM, at.y - at.own_upper + shade.clamp(min=RIM_CM))
    hidden = torch.maximum(risen.amax() * (1 - has_teeth), risen * above)
    return smoothstep(*OPEN_CM, at.own_upper - at.own_lower) * smoothstep(-EDGE_CM, EDGE_CM, at.y - edge) * (1 - hidden)


def _shows_lower(at: _Heights, edge: Tensor, bright: Tensor) -> Tensor:
    """(h, w) whether the photo shows what lies below the upper teeth; `bright` (h, w) in [0, 1], whether that is."""
    height = edge - at.own_lower
    counts = smoothstep(*STRIP_BELOW_CM, height) * mix(bright, 1.0, smoothstep(*WHOLE_BELOW_CM, height))
    below = (edge - RIM_CM - at.y + at.lower_part) / (TOP_SHARE * height).clamp(min=EDGE_CM)
    return counts * smoothstep(0.0, 1.0, below) * smoothstep(*CORNER_CM, at.from_own_corner)
