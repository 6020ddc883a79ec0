"""A drawn mouth: teeth, tongue and cavity in head space, for a source whose mouth was shut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from .sampling import mix, smoothstep

# The dental arch is a parabola seen from above: it falls back by x^2 / (2 ARCH_RADIUS_CM), up to MAX_ARCH_X_CM.
ARCH_RADIUS_CM, MAX_ARCH_X_CM = 1.6, 2.6
# Widths of the teeth from the middle outwards along the arch, and how much shorter each is than the first, cm.
UPPER_WIDTHS, LOWER_WIDTHS = (0.86, 0.67, 0.77, 0.70, 0.68, 1.2), (0.53, 0.58, 0.68, 0.70, 0.70, 1.2)
UPPER_RISE, LOWER_RISE = (0.0, 0.09, 0.02, 0.13, 0.20, 0.26), (0.0, 0.02, 0.0, 0.1, 0.18, 0.25)
# How far the corners of each tooth are rounded, towards the middle and away from it; the third tooth is pointed.
MIDDLE_ROUNDING, OUTER_ROUNDING = (0.035, 0.05, 0.12, 0.09, 0.09, 0.09), (0.08, 0.11, 0.16, 0.12, 0.10, 0.10)
# Brightness of each tooth for that of the first.
TONES = (1.0, 0.96, 0.91, 0.85, 0.78, 0.70)
SAME_IN_BOTH = (MIDDLE_ROUNDING, OUTER_ROUNDING, TONES)
# Edges of the teeth below the line of the closed lips, cm; the row rises towards the corners like the lower lip.
UPPER_EDGE_CM, LOWER_EDGE_CM = 0.5, 0.42
ROW_RISE = 0.03  # per cm, of x^2
MAX_LOWER_CM = 0.5  # of the lower teeth above the lower lip
TOOTH_HEIGHT_CM = 0.95
GUM_BETWEEN_CM = 0.16  # lower between two teeth than above each
# Colours relative to the light on the face.
TOOTH, GUM = (1.02, 1.0, 0.97), (0.82, 0.5, 0.48)
CAVITY, TONGUE, CHEEK = (0.13, 0.045, 0.04), (0.52, 0.27, 0.26), (0.3, 0.14, 0.13)
# The cheek shows behind the corners of the lips, up to these distances, cm.
CHEEK_CM = (0.1, 0.8)
# Brightness of teeth: of what the skin shows, plus a constant, since exposure follows the face; where people in
# clips show teeth, the brightest fifth of the mouth is 1.1 to 1.6 times as bright as the cheeks. They take half of the
# skin's tint.
TOOTH_BASE, TOOTH_GAIN = 0.42, 0.7
LOWER_TONE, GUM_TONE = 0.86, 0.9
# Light that falls deep into the mouth is reddened: exponents of the shade by channel.
REDDENING = (1.0, 1.2, 1.25)
MIN_SOFTNESS_CM = 0.05


@dataclass(frozen=True)
class MouthPlace:
    """Places in a mouth, head space cm, all (h, w) or ().

    Attributes:
        x: to the image's right of the mouth's middle.
        y: upwards.
        seam: height of the closed lips.
        upper_lip: height of the upper lip's inner edge at that x.
        lower_lip: height of the middle of the lower lip's inner edge.
        from_corner: how far inside the nearer corner of the lips.
        jaw_drop: how far the jaw has moved up from a shut mouth; negative when open.
        tooth_height: from the edge of the upper teeth to the gum.
    """

    x: Tensor
    y: Tensor
    seam: Tensor
    upper_lip: Tensor
    lower_lip: Tensor
    from_corner: Tensor
    jaw_drop: Tensor
    tooth_height: Tensor | float = TOOTH_HEIGHT_CM


def arch_depth(x: Tensor) -> Tensor:
    """How far (h, w) the teeth lie behind the front ones at x from the mouth's middle, cm."""
    return x.clamp(-MAX_ARCH_X_CM, MAX_ARCH_X_CM).square() / (2 * ARCH_RADIUS_CM)


def draw_mouth(
    place: MouthPlace, light: Tensor, softness: float, lower_teeth: Tensor, tooth: Tensor
) -> tuple[Tensor, Tensor]:
    """Colours (3, h, w) of a drawn mouth, and how much upper tooth each pixel is (h, w).

    Args:
        place: see `MouthPlace`.
        light: (3,) or (3, h, w) colour of the skin.
        softness: width of a pixel of the output or of the photo, whichever is larger, cm.
        lower_teeth: () in [0, 1], whether lower teeth are drawn.
        tooth: (3, 1, 1) or (3, h, w) colour of the teeth, see `tooth_colour`.
    """
    light = light.view(3, 1, 1) if light.ndim == 1 else light
    brightness, tint = light.mean(0), _tint(light)
    soft = max(MIN_SOFTNESS_CM, softness)
    rise = ROW_RISE * place.x.square()
    upper_edge = place.seam - UPPER_EDGE_CM + rise
    behind_lower = place.seam - LOWER_EDGE_CM + place.jaw_drop
    lower_edge = torch.minimum(behind_lower, place.lower_lip + MAX_LOWER_CM)
    under_lip = 0.8 + 0.2 * smoothstep(0.0, 0.4, place.upper_lip - place.y)

    def lit(values: tuple[float, float, float], gain: Tensor) -> Tensor:
        return light.new_tensor(values).view(3, 1, 1) * tint * gain

    soft_parts = 0.25 + 0.8 * brightness
    cavity = mix(lit(CHEEK, soft_parts), lit(CAVITY, 0.35 + brightness), smoothstep(*CHEEK_CM, place.from_corner))
    drawn = _behind(place, (upper_edge, behind_lower), cavity, lit(TONGUE, soft_parts))
    inwards = torch.stack([place.y - upper_edge, lower_edge - place.y])
    (upper, lower), shades, (between, _) = _rows(place.x, inwards, soft)
    drawn = mix(drawn, tooth * shaded(LOWER_TONE * shades[1] * under_lip), lower * lower_teeth)
    gum = smoothstep(-0.08, 0.08, inwards[0] - place.tooth_height + GUM_BETWEEN_CM * between)
    row = mix(tooth * shaded(shades[0] * under_lip), lit(GUM, soft_parts) * shaded(GUM_TONE * under_lip), gum)
    return mix(drawn, row, upper), upper


def tooth_colour(light: Tensor, limit: Tensor | float = 1.0) -> Tensor:
    """Colour (3, *S) of teeth in the light (3, *S) on the skin, no brighter than a limit."""
    gain = (TOOTH_BASE + TOOTH_GAIN * light.mean(0)).clamp(max=limit)
    return light.new_tensor(TOOTH).view(3, *[1] * (light.ndim - 1)) * _tint(light).sqrt() * gain


def tooth_shade(x: Tensor) -> Tensor:
    """(K,) brightness of the upper teeth at x (K,) cm from the mouth's middle, for that of their colour."""
    _, shades, _ = _rows(x[None], torch.full_like(x, TOOTH_HEIGHT_CM / 2).expand(2, 1, -1), MIN_SOFTNESS_CM)
    return shades[0, 0]


def _tint(light: Tensor) -> Tensor:
    """Half of the tint of a light (3, *S)."""
    return (light / light.mean(0).clamp(min=0.02)).clamp(0.5, 2.0).sqrt()


def shaded(shade: Tensor) -> Tensor:
    """(3, h, w) what a shade (h, w) in [0, 1] does to a colour inside the mouth."""
    return shade.clamp(min=1e-3) ** shade.new_tensor(REDDENING).view(3, 1, 1)


def _rows(x: Tensor, inwards: Tensor, soft: float) -> tuple[Tensor, Tensor, Tensor]:
    """Of the upper and the lower teeth (2, h, w): coverage, brightness, and 1 between two, 0 in the middle of each.

    `inwards` is above the first tooth's edge.
    """
    slope = (x.abs() / ARCH_RADIUS_CM).clamp(max=MAX_ARCH_X_CM / ARCH_RADIUS_CM)
    away = (1 + slope.square()).sqrt()
    along = ARCH_RADIUS_CM / 2 * (slope * away + slope.asinh())  # arc length of the parabola
    ends, table = _teeth(x.device)
    index = [torch.bucketize(along, row).clamp_(max=len(TONES) - 1) for row in ends]
    chosen = torch.stack([table[row].index_select(1, index[row].flatten()) for row in (0, 1)], dim=1)
    end, width, start, middle, outer, tone = chosen.view(len(chosen), *inwards.shape)
    local = ((along - end) / width * 2 + 1).clamp(-1, 1)  # -1 towards the middle, 1 away from it
    square = local.square()
    edge = start + torch.where(local < 0, middle, outer) * square * square
    cover = smoothstep(-soft, soft, inwards - edge)
    # Teeth touch in a soft groove, are rounded across, and thin and dull at their edge.
    groove = (-((1 - local.abs()) * width / 2 / max(0.05, 0.8 * soft)).square()).exp()
    rounded = (1 - 0.12 * square) * (1 - (0.08 + 0.12 * smoothstep(0.4, 0.0, inwards - edge)) * groove)
    bevel = 0.9 + 0.1 * smoothstep(0.0, 0.22, inwards - edge)
    gleam = 0.05 * (-((local + 0.25) / 0.3).square() - ((inwards - 0.42) / 0.2).square()).exp()
    return cover, tone * rounded * bevel / away + gleam, square


@lru_cache(maxsize=4)
def _teeth(device: torch.device) -> tuple[Tensor, Tensor]:
    """Ends (2, T) of the upper and lower teeth along the arch; (2, 6, T) further what `_rows` needs of each tooth."""
    widths = torch.tensor([UPPER_WIDTHS, LOWER_WIDTHS], device=device)
    rises = torch.tensor([UPPER_RISE, LOWER_RISE], device=device)
    ends, same = widths.cumsum(1), [torch.tensor(part, device=device).expand_as(widths) for part in SAME_IN_BOTH]
    return ends, torch.stack([ends, widths, rises, *same], dim=1)


def _behind(place: MouthPlace, edges: tuple[Tensor, Tensor], cavity: Tensor, tongue: Tensor) -> Tensor:
    """Colours (3, h, w) of cavity and tongue: a round, moist hill above the lower teeth, in the upper's shade.

    `edges` are heights (h, w) or () of the upper and lower teeth.
    """
    away = place.x.abs()
    below = edges[1] + 0.45 - 0.35 * place.jaw_drop - 0.3 * place.x.square() - place.y
    wide = smoothstep(1.9, 1.1, away)
    cover = smoothstep(-0.15, 0.35, below) * wide
    furrow = 1 - 0.1 * (-(place.x / 0.2).square()).exp() * smoothstep(0.25, 0.7, below)
    shade = (0.42 + 0.58 * smoothstep(0.0, 0.75, below)) * furrow * (0.7 + 0.3 * wide)
    sheen = 0.16 * (-((below - 0.62) / 0.2).square() - ((away - 0.42) / 0.26).square()).exp()
    under_teeth = mix(0.55, 1.0, smoothstep(0.0, 0.55, edges[0] - place.y))
    return mix(cavity, tongue * shaded(shade) + tongue.mean(0) * sheen, cover) * shaded(under_teeth)
