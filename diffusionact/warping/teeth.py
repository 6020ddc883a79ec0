"""A drawn mouth: teeth, tongue and cavity in head space, for a source whose mouth was shut."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .sampling import mix, smoothstep

# Half widths of the dental arches, cm.
UPPER_ARCH_CM, LOWER_ARCH_CM = 2.75, 2.3
# Widths of the teeth from the middle outwards along the arch, and how much shorter each is than the first, cm.
UPPER_WIDTHS, LOWER_WIDTHS = (0.86, 0.66, 0.78, 0.70, 0.68, 0.9), (0.53, 0.58, 0.68, 0.70, 0.70, 0.9)
UPPER_RISE, LOWER_RISE = (0.0, 0.09, 0.03, 0.12, 0.18, 0.25), (0.0, 0.02, 0.0, 0.1, 0.18, 0.25)
# Edges of the teeth below the line of the closed lips, cm.
UPPER_EDGE_CM, LOWER_EDGE_CM = 0.40, 0.52
TOOTH_HEIGHT_CM = 0.95
# Colours relative to the light on the face.
TOOTH, GUM = (1.0, 0.95, 0.86), (0.78, 0.42, 0.42)
CAVITY, TONGUE = (0.20, 0.075, 0.065), (0.55, 0.25, 0.24)
# Brightness of teeth: of what the skin shows, plus a constant, since exposure follows the face.
TOOTH_BASE, TOOTH_GAIN = 0.30, 0.62


@dataclass(frozen=True)
class MouthPlace:
    """Places in a mouth, head space cm, all (h, w) or ().

    Attributes:
        x: to the image's right of the mouth's middle.
        y: upwards.
        seam: height of the closed lips.
        upper_lip: height of the upper lip's inner edge at that x.
        jaw_drop: how far the jaw has moved up; negative when open.
    """

    x: Tensor
    y: Tensor
    seam: Tensor
    upper_lip: Tensor
    jaw_drop: Tensor


def draw_mouth(place: MouthPlace, light: Tensor, pixel_cm: float, lower_teeth: Tensor) -> tuple[Tensor, Tensor]:
    """Colours (3, h, w) of a drawn mouth, and how much upper tooth each pixel is (h, w).

    Args:
        place: see `MouthPlace`.
        light: (3,) colour of the skin.
        pixel_cm: size of a pixel, the softness of edges.
        lower_teeth: () in [0, 1], whether lower teeth are drawn.
    """
    brightness = light.mean()
    tint = (light / brightness.clamp(min=0.02)).clamp(0.5, 2.0).sqrt()
    soft = max(0.06, 1.2 * pixel_cm)
    upper_edge = place.seam - UPPER_EDGE_CM
    lower_edge = place.seam - LOWER_EDGE_CM + place.jaw_drop
    upper, upper_shade = _row(place.x, place.y - upper_edge, UPPER_ARCH_CM, UPPER_WIDTHS, UPPER_RISE, soft)
    lower, lower_shade = _row(place.x, lower_edge - place.y, LOWER_ARCH_CM, LOWER_WIDTHS, LOWER_RISE, soft)
    under_lip = 0.60 + 0.40 * smoothstep(0.0, 0.45, place.upper_lip - place.y)

    def colour(values: tuple[float, float, float], gain: Tensor | float) -> Tensor:
        return (light.new_tensor(values) * tint * gain)[:, None, None]

    tooth = colour(TOOTH, TOOTH_BASE + TOOTH_GAIN * brightness)
    drawn = colour(CAVITY, 0.35 + brightness) + torch.zeros_like(place.x)
    tongue = _tongue(place, lower_edge)
    drawn = mix(drawn, colour(TONGUE, 0.25 + 0.8 * brightness), tongue)
    drawn = mix(drawn, tooth * (0.62 * lower_shade * under_lip), lower * lower_teeth)
    gum = smoothstep(TOOTH_HEIGHT_CM - 0.08, TOOTH_HEIGHT_CM + 0.08, place.y - upper_edge)
    enamel = mix(tooth, colour(GUM, 0.3 + 0.8 * brightness), gum)
    return mix(drawn, enamel * (upper_shade * under_lip), upper), upper


def _row(
    x: Tensor, inwards: Tensor, arch: float, widths: tuple[float, ...], rise: tuple[float, ...], soft: float
) -> tuple[Tensor, Tensor]:
    """Coverage and brightness (h, w) of a row of teeth; `inwards` is the height from the first tooth's edge."""
    sine = (x / arch).clamp(-1, 1)
    along = arch * sine.abs().asin()
    ends = x.new_tensor(widths).cumsum(0)
    index = torch.bucketize(along.contiguous(), ends).clamp(max=len(widths) - 1)
    width = x.new_tensor(widths)[index]
    local = ((along - ends[index]) / width * 2 + 1).clamp(-1, 1)
    edge = x.new_tensor(rise)[index] + 0.05 * local.abs() ** 4 + 0.12 * sine.square()
    cosine = (1 - sine.square()).sqrt()
    cover = smoothstep(-soft, soft, inwards - edge) * smoothstep(0.0, 0.3, cosine)
    between = (-((1 - local.abs()) * width / 2 / max(0.045, 0.7 * soft)).square()).exp()
    rounded = 1 - 0.10 * local.square()
    shade = (0.30 + 0.70 * cosine) * rounded * (1 - 0.13 * between)
    return cover, shade


def _tongue(place: MouthPlace, lower_edge: Tensor) -> Tensor:
    """Share (h, w) of the tongue: a low hill behind the lower teeth, soft above."""
    hill = lower_edge + 0.45 - 0.30 * (place.x / 1.6).square()
    wide = smoothstep(2.1, 0.7, place.x.abs())
    return 0.9 * smoothstep(0.45, -0.65, place.y - hill) * wide
