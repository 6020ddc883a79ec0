"""The mouth in a source's photo: what it shows, and where its lips, teeth and light are; found once per source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .mouth import lip_opening, shows_inside
from .sampling import mix, sample, smoothstep
from .teeth import LOWER_EDGE_CM, UPPER_EDGE_CM
from .topology import LIP_RING, index_of
from .values import WarpSource

UPPER_LIP, LOWER_LIP = LIP_RING[:11], (LIP_RING[0], *LIP_RING[:9:-1])
# The front teeth lie about this much nearer than the corners of the mouth, cm.
TEETH_AHEAD_CM = 0.9
# Points of the upper jaw's middle, which no expression moves aside much.
MIDLINE = (2, 164, 0)
# The photo's own teeth go on under lips that rise: from this far inside what it showed, px of the patch.
UNDER_LIP = 3.0
# Openings of the photo's mouth from which the edge of its upper teeth may show, and does, cm.
WHOLE_TEETH_CM = (0.3, 0.7)
# Brightness under the upper lip for that of the skin, of no teeth and of teeth.
TOOTH_SHARE = (0.35, 0.55)
# Little light enters a slit: openings, and the light in the narrowest.
SLIT, LIT, SLIT_LIGHT = 0.01, 0.1, 0.4
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
        shows_teeth: in [0, 1], whether what it shows under the upper lip is as bright as teeth are.
        shows_edge: in [0, 1], whether it is open far enough to show where the upper teeth end.
        seam: height of the closed lips, cm; in an open mouth that is dark the upper teeth end at the upper lip.
        jaw_drop: how far the jaw had moved up, cm; in a dark mouth the lower teeth end at the lower lip.
        middle: x of the mouth's middle, cm.
        front: z of the front teeth, cm.
        lips: (2, 11, 2) x and y of the upper and the lower lip's inner edge, cm, see `lip_lines`.
        light_inside: see `light_inside`.
        light_beside: (2,) share of the face's light on both sides of the mouth.
        tooth_limit: brightness that teeth stay below: of the white of the eyes.
        cavity: (3,) the darkest tenth of what the photo showed.
        extent: the upper end (1, K) px of what the patch shows, and its first and last column, grid coordinates; None
            if it shows nothing.
    """

    shows: Tensor
    shows_teeth: Tensor
    shows_edge: Tensor
    seam: Tensor
    jaw_drop: Tensor
    middle: Tensor
    front: Tensor
    lips: Tensor
    light_inside: Tensor
    light_beside: Tensor
    tooth_limit: Tensor
    cavity: Tensor
    extent: tuple[Tensor, float, float] | None


@lru_cache(maxsize=4)  # of a source's tensors, which stay the same
def find_own_mouth(source: WarpSource) -> OwnMouth:
    """The mouth in the photo of a source."""
    shape, extent = source.shape, _extent(source)
    shows, shows_teeth = shows_inside(shape), _shows_teeth(source, extent)
    dark = shows * (1 - shows_teeth)
    upper, lower = shape[13, 1], shape[14, 1]
    seam = mix(shape[[13, 13, 78, 308], 1].mean() - 0.25 * (upper - lower), upper + UPPER_EDGE_CM, dark)
    return OwnMouth(
        shows=shows,
        shows_teeth=shows_teeth,
        shows_edge=smoothstep(*WHOLE_TEETH_CM, upper - lower),
        seam=seam,
        jaw_drop=dark * (lower - seam + LOWER_EDGE_CM).clamp(max=0),
        middle=shape[list(MIDLINE), 0].mean(),
        front=shape[[LIP_RING[0], LIP_RING[10]], 2].mean() + TEETH_AHEAD_CM,
        lips=lip_lines(shape),
        light_inside=light_inside(lip_opening(shape)),
        light_beside=_light_beside(source),
        tooth_limit=_tooth_limit(source),
        cavity=_cavity(source),
        extent=extent,
    )


def lip_lines(points: Tensor) -> Tensor:
    """(2, 11, 2) x and y of the inner edges of the upper and the lower lip, from the image's left to its right, cm.

    Of the mesh (478, 3) in head space; x always grows.
    """
    lines = points.index_select(0, index_of(UPPER_LIP + LOWER_LIP, points.device)).view(2, len(UPPER_LIP), -1)
    x = torch.cummax(lines[..., 0], 1).values + 1e-4 * torch.arange(len(UPPER_LIP), device=points.device)
    return torch.stack([x, lines[..., 1]], dim=-1)


def light_inside(opening: Tensor) -> Tensor:
    """() share of the light on the skin that enters a mouth of this opening."""
    return mix(SLIT_LIGHT, 1.0, smoothstep(SLIT, LIT, opening))


def _shows_teeth(source: WarpSource, extent: tuple[Tensor, float, float] | None) -> Tensor:
    if extent is None:
        return source.light.new_zeros(())
    side = source.mouth_inside.shape[-1]
    rows = torch.arange(side, device=source.light.device)[:, None]
    tops, first, last = extent
    start, end = (round((edge + 1) * side / 2 - 0.5) for edge in (first, last))
    quarter = (end - start) // 4
    middle = slice(quarter, end + 1 - start - quarter)
    under = (rows - tops[0] - UNDER_LIP).abs() <= 2
    shown = source.mouth_inside[:3, :, start : end + 1].mean(0)
    brightness = shown[:, middle][under[:, middle]].mean()
    return smoothstep(*TOOTH_SHARE, brightness / source.light.mean().clamp(min=0.02))


def _light_beside(source: WarpSource) -> Tensor:
    beside = source.positions[list(BESIDE_MOUTH[0] + BESIDE_MOUTH[1])].view(2, -1, 2)
    brightness = sample(source.skin_light, beside).mean((0, 2))
    return (brightness / source.light.mean().clamp(min=0.02)).clamp(MIN_SIDE_LIGHT, MAX_SIDE_LIGHT)


def _tooth_limit(source: WarpSource) -> Tensor:
    white, mask = source.eye_white[..., ::8, ::8].mean(1), source.eye_masks[:, 0, ::8, ::8]
    seen = white[mask > 0.9]
    skin = MIN_WHITE * source.light.mean()
    return torch.maximum(WHITE_SHARE * seen.quantile(BRIGHT_WHITE), skin) if len(seen) else skin


def _extent(source: WarpSource) -> tuple[Tensor, float, float] | None:
    shown = source.mouth_inside[3] > 0.95
    columns = shown.any(0).nonzero()[:, 0]
    if not len(columns):
        return None
    step = 2 / shown.shape[-1]
    first, last = (float(columns[i]) * step + step / 2 - 1 for i in (0, -1))
    tops = shown[:, columns[0] : columns[-1] + 1].int().argmax(0).float()
    return F.avg_pool1d(F.pad(tops[None, None], (4, 4), mode="replicate"), 9, 1)[0], first, last


def _cavity(source: WarpSource) -> Tensor:
    seen = source.mouth_inside[:3][:, source.mouth_inside[3] > 0.9]
    if not seen.numel():
        return source.light * 0.15
    return seen[:, seen.sum(0) <= seen.sum(0).quantile(0.1)].mean(1)
