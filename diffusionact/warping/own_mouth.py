"""The mouth in a source's photo: what it shows, and where its lips, teeth and light are; found once per source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from .mouth import lip_lines, lip_opening, shows_inside
from .own_teeth import OwnTeeth, find_own_teeth
from .sampling import mix, sample, smoothstep
from .teeth import LOWER_EDGE_CM, UPPER_EDGE_CM, tooth_colour
from .topology import LIP_RING
from .values import WarpSource

# The front teeth lie about this much nearer than the corners of the mouth, cm.
TEETH_AHEAD_CM = 0.9
# Points of the upper jaw's middle, which no expression moves aside much.
MIDLINE = (2, 164, 0)
# Little light enters a slit: openings, and the light in the narrowest.
SLIT, LIT, SLIT_LIGHT = 0.01, 0.1, 0.4
# Teeth that are darker in the photo than drawn ones get brighter by at most this factor.
MAX_BRIGHTER = 1.35
# Skin on both sides of the mouth, and how far its light may differ from that on the whole face.
BESIDE_MOUTH = ((206, 216, 212, 202), (426, 436, 432, 422))
MIN_SIDE_LIGHT, MAX_SIDE_LIGHT = 0.45, 1.25
# Teeth stay darker than the bright part of the eyes' white, where that is brighter than a share of the skin.
BRIGHT_WHITE, WHITE_SHARE, MIN_WHITE = 0.95, 1.05, 1.45


@dataclass(frozen=True)
class OwnMouth:
    """A photo's mouth; numbers are tensors ().

    Attributes:
        shows: in [0, 1], whether the photo shows the inside.
        seam: height of the closed lips, cm; in an open mouth that is dark the upper teeth end at the upper lip.
        jaw_drop: how far the jaw had moved up, cm; in a dark mouth the lower teeth end at the lower lip.
        middle: x of the mouth's middle, cm.
        front: z of the front teeth, cm.
        lips: (2, 11, 2) x and y of the upper and the lower lip's inner edge, cm, see `lip_lines`.
        light_inside: see `light_inside`.
        light_beside: (2,) share of the face's light on both sides of the mouth.
        tooth_limit: brightness that teeth stay below: of the white of the eyes.
        teeth: its upper teeth.
        brighter: by what factor its teeth get brighter in a mouth that is wide open.
    """

    shows: Tensor
    seam: Tensor
    jaw_drop: Tensor
    middle: Tensor
    front: Tensor
    lips: Tensor
    light_inside: Tensor
    light_beside: Tensor
    tooth_limit: Tensor
    teeth: OwnTeeth
    brighter: Tensor


@lru_cache(maxsize=4)  # of a source's tensors, which stay the same
def find_own_mouth(source: WarpSource) -> OwnMouth:
    """The mouth in the photo of a source."""
    shape, lips = source.shape, lip_lines(source.shape)
    middle = shape[list(MIDLINE), 0].mean()
    front = shape[[LIP_RING[0], LIP_RING[10]], 2].mean() + TEETH_AHEAD_CM
    upper, lower = shape[13, 1], shape[14, 1]
    shut = shape[[13, 13, 78, 308], 1].mean() - 0.25 * (upper - lower)
    teeth = find_own_teeth(source, middle, front, lips, shut)
    shows = shows_inside(shape)
    dark = shows * (1 - teeth.shows)
    seam, limit = mix(shut, upper + UPPER_EDGE_CM, dark), _tooth_limit(source)
    drawn = tooth_colour(source.light, limit).mean()
    return OwnMouth(
        shows=shows,
        seam=seam,
        jaw_drop=dark * (lower - seam + LOWER_EDGE_CM).clamp(max=0),
        middle=middle,
        front=front,
        lips=lips,
        light_inside=light_inside(lip_opening(shape)),
        light_beside=_light_beside(source),
        tooth_limit=limit,
        teeth=teeth,
        brighter=mix(1.0, (drawn / teeth.brightness).clamp(1.0, MAX_BRIGHTER), teeth.shows),
    )


def light_inside(opening: Tensor) -> Tensor:
    """() share of the light on the skin that enters a mouth of this opening."""
    return mix(SLIT_LIGHT, 1.0, smoothstep(SLIT, LIT, opening))


def _light_beside(source: WarpSource) -> Tensor:
    beside = source.positions[list(BESIDE_MOUTH[0] + BESIDE_MOUTH[1])].view(2, -1, 2)
    brightness = sample(source.skin_light, beside).mean((0, 2))
    return (brightness / source.light.mean().clamp(min=0.02)).clamp(MIN_SIDE_LIGHT, MAX_SIDE_LIGHT)


def _tooth_limit(source: WarpSource) -> Tensor:
    white, mask = source.eye_white[..., ::8, ::8].mean(1), source.eye_masks[:, 0, ::8, ::8]
    seen = white[mask > 0.9]
    skin = MIN_WHITE * source.light.mean()
    return torch.maximum(WHITE_SHARE * seen.quantile(BRIGHT_WHITE), skin) if len(seen) else skin
