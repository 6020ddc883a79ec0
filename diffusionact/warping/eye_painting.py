"""Paints the eyes of a frame: lids that close without smearing the lashes, the white, the iris where the gaze is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, reduce

import torch
from torch import Tensor

from .drawing import Drawing
from .eyes import (
    IRIS_REACH,
    IRIS_RINGS,
    LASH_ABOVE,
    LASH_BELOW,
    LASH_COLUMNS,
    LASH_ROWS,
    edge_curve,
    eye_frame,
    iris_axes,
    opening,
)
from .sampling import apply, length, mix, polygon_coverage, sample, segment_distance, smooth_outline, smoothstep
from .topology import EYE_RINGS, IRISES, index_of
from .values import WarpSource

EYE_CORNERS = (0, 8)
# Box around an eye in eye widths.
BOX_REACH, LASH_REACH = 0.95, 0.2
EDGE_SOFTNESS_PX = 1.4
# Share of the source's opening that is closed: over this range the skin of the lid replaces what the mesh draws out.
SKIN_CLOSING = (0.15, 0.5)
LASH_CLOSING = (0.12, 0.4)
# Share that is closed over which lashes cease to point up, and begin to point down; between they point at the viewer.
LASHES_UP, LASHES_DOWN, MIN_LASH_REACH = (0.5, 0.75), (0.25, 0.5), 0.5
# Share of the source's opening below which the slit between the lids is as dark as this share of the skin.
SLIT_RATIO, SLIT_SHADE = (0.06, 0.3), 0.55
# Rim of the opening that the lids' edges and lashes colour, in half patches.
LID_RIM = 0.035
# Movement of the iris against the lids, in iris radii, from which it is drawn anew.
IRIS_STAYS, IRIS_MOVES = 0.06, 0.2
# Change of the opening from which the iris would be squashed by the lids' warp.
OPENING_STAYS, OPENING_CHANGES = 0.06, 0.2


@dataclass(frozen=True)
class OwnEye:
    """An eye in the photo.

    Attributes:
        opening: () height for width.
        axes: (2, 2) see `iris_axes`, grid coordinates of the canvas.
        place: (2,) middle of the iris in the eye's patch.
        radius: () of the iris there.
    """

    opening: Tensor
    axes: Tensor
    place: Tensor
    radius: Tensor


def paint_eyes(source: WarpSource, iris_source: Tensor, drawing: Drawing) -> None:
    """Paint both eyes into the drawing.

    Args:
        source: made ready.
        iris_source: (3, side, side) texture that irises are fetched from.
        drawing: changed in place.
    """
    for eye in range(len(EYE_RINGS)):
        _paint_eye(source, iris_source, drawing, eye)


def _paint_eye(source: WarpSource, texture: Tensor, drawing: Drawing, eye: int) -> None:
    ring = _ring(drawing, eye)
    now, before = opening(drawing.head, EYE_RINGS[eye]), _own_eyes(source)[eye].opening
    closed = (1 - now / before).clamp(0.0, 1.0)
    width = (ring[0] - ring[8]).norm().clamp(min=2.0)
    reach = BOX_REACH * width
    _paint_lid(source, drawing, eye, drawing.box(ring.mean(0) - reach, ring.mean(0) + reach), closed)
    box = drawing.box(ring.amin(0) - 2, ring.amax(0) + 2)
    if box is not None:
        _paint_eyeball(source, texture, drawing, eye, box, now / before)
    reach = LASH_REACH * width
    box = drawing.box(ring.amin(0) - reach, ring.amax(0) + reach)
    share = smoothstep(*LASH_CLOSING, closed)
    if box is not None and share > 0:
        shadow = _lash_shadow(source.lashes[eye], ring, drawing.pixels[box], width, closed)
        drawing.image[:, box[0], box[1]] *= mix(1.0, shadow, share)


def _paint_lid(source: WarpSource, drawing: Drawing, eye: int, box: tuple[slice, slice] | None, closed: Tensor) -> None:
    """Closing lids show smooth skin where the mesh would draw out lashes and their shadow."""
    amount = smoothstep(*SKIN_CLOSING, closed)
    if box is None or amount <= 0:
        return
    patch = apply(source.eye_frames[eye], drawing.grid[box])
    share = sample(source.eye_masks[eye, 1:], patch)[0] * amount
    skin = sample(source.lid_skin[eye], patch)
    drawing.image[:, box[0], box[1]] = mix(drawing.image[:, box[0], box[1]], skin, share)
    drawing.confidence[box] *= 1 - 0.6 * share


def _paint_eyeball(
    source: WarpSource, texture: Tensor, drawing: Drawing, eye: int, box: tuple[slice, slice], ratio: Tensor
) -> None:
    """The white and the iris, where the opening shows them."""
    ring = _ring(drawing, eye)
    pixels, patch = drawing.pixels[box], apply(source.eye_frames[eye], drawing.grid[box])
    cover = polygon_coverage(pixels, smooth_outline(ring, EYE_CORNERS, 2), EDGE_SOFTNESS_PX)
    eyeball, (moved, known) = _eyeball(source, texture, drawing, eye, pixels, patch, ratio)
    # A slit shows shadow rather than the eye.
    lid = sample(source.lid_skin[eye], patch) * SLIT_SHADE
    eyeball = mix(lid, eyeball, smoothstep(*SLIT_RATIO, ratio))
    share = cover * torch.maximum(moved, smoothstep(*SKIN_CLOSING, 1 - ratio))
    drawing.image[:, box[0], box[1]] = mix(drawing.image[:, box[0], box[1]], eyeball, share)
    wide = smoothstep(0.3, 0.85, 1 / ratio.clamp(min=1.0))
    drawing.confidence[box] *= mix(1.0, wide * (1 - moved * (0.3 + 0.6 * (1 - known))), cover)


def _eyeball(
    source: WarpSource, texture: Tensor, drawing: Drawing, eye: int, pixels: Tensor, patch: Tensor, ratio: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Colours (3, h, w) of the white and the iris; how much they are needed () and known (h, w)."""
    frame, own = source.eye_frames[eye], _own_eyes(source)[eye]
    iris = drawing.points.index_select(0, index_of(IRISES[eye], drawing.points.device))
    unit = (pixels - iris[0]) @ torch.linalg.inv(iris_axes(iris)).T
    radius = length(unit)
    # The source's iris in the canvas' grid, and the colours there.
    positions = source.irises[eye, 0] + unit @ own.axes.T
    shown = sample(texture, positions, "bicubic").clamp(0, 1)
    seen = smoothstep(0.5, 0.95, _clear_of_lids(source.eye_masks[eye, :1], apply(frame, positions)))
    colour = mix(_ring_colours(source.iris_rings[eye], radius), shown, seen)
    disc = smoothstep(1.14, 0.98, radius)
    white = sample(source.eye_white[eye], patch)
    # How far the iris sits from where the lids' warp would put it, in radii.
    shift = (apply(eye_frame(_ring(drawing, eye)), iris[0]) - own.place).norm() / own.radius
    moved = smoothstep(IRIS_STAYS, IRIS_MOVES, shift)
    moved = torch.maximum(moved, smoothstep(OPENING_STAYS, OPENING_CHANGES, (1 - ratio).abs()))
    return mix(white, colour, disc), (moved, seen * disc)


def _clear_of_lids(mask: Tensor, places: Tensor) -> Tensor:
    """Mask (h, w) of the opening at places (h, w, 2) of its patch, without a rim above and below that lids colour."""
    rim = places.new_tensor([0.0, LID_RIM])
    return torch.minimum(sample(mask, places - rim)[0], sample(mask, places + rim)[0])


def _ring(drawing: Drawing, eye: int) -> Tensor:
    """(16, 2) px, the lids' edges in the frame."""
    return drawing.points.index_select(0, index_of(EYE_RINGS[eye], drawing.points.device))


@lru_cache(maxsize=4)  # of a source's tensors, which stay the same
def _own_eyes(source: WarpSource) -> tuple[OwnEye, ...]:
    """Both eyes in the photo."""
    eyes = []
    for frame, iris, ring in zip(source.eye_frames, source.irises, EYE_RINGS, strict=True):
        axes = iris_axes(iris)
        radius = (frame[:, :2] @ axes[:, 0]).norm().clamp(min=1e-6)
        eyes.append(OwnEye(opening(source.shape, ring).clamp(min=0.02), axes, apply(frame, iris[0]), radius))
    return tuple(eyes)


def _ring_colours(rings: Tensor, radius: Tensor) -> Tensor:
    """Colours (3, h, w) of an iris (3, R) by radius."""
    index = (radius / IRIS_REACH * IRIS_RINGS - 0.5).clamp(0, IRIS_RINGS - 1 - 1e-3)
    low = index.long()
    return mix(rings[:, low], rings[:, low + 1], index - low)


def _lash_shadow(lashes: Tensor, ring: Tensor, pixels: Tensor, width: Tensor, closed: Tensor) -> Tensor:
    """Darkness (3, h, w) of the upper lashes; they point up while the eye is open and down when it is shut."""
    edge, _ = edge_curve(ring[:9], 17)
    squared, along = segment_distance(pixels, edge[:-1], edge[1:])
    distance, nearest = squared.min(0)
    place = (nearest + along.gather(0, nearest[None])[0]) / (len(edge) - 1)
    step = (edge[1:] - edge[:-1])[nearest]
    away = pixels - edge[:-1][nearest]
    below = (away[..., 1] * step[..., 0] - away[..., 0] * step[..., 1]) * (edge[-1, 0] - edge[0, 0]).sign()
    height = -below.sign() * distance.sqrt() / width
    reach = (1 - 2 * closed).abs().clamp(min=MIN_LASH_REACH)
    up, down = 1 - smoothstep(*LASHES_UP, closed), smoothstep(*LASHES_DOWN, closed)
    parts = [
        mix(1.0, _lash_rows(lashes, place, side * height / reach), amount)
        for side, amount in ((1, up), (-1, down))
        if amount > 0
    ]
    return reduce(torch.minimum, parts, torch.ones_like(height))


def _lash_rows(lashes: Tensor, place: Tensor, height: Tensor) -> Tensor:
    """Darkness (3, h, w) at a place along the lid in [0, 1] and a height above its edge, eye widths."""
    column = (place * (LASH_COLUMNS - 1) + 0.5) / LASH_COLUMNS * 2 - 1
    row = ((height + LASH_BELOW) / (LASH_ABOVE + LASH_BELOW) * (LASH_ROWS - 1) + 0.5) / LASH_ROWS * 2 - 1
    darkness = sample(lashes, torch.stack([column, row], dim=-1))
    ends = smoothstep(0.0, 0.06, place) * smoothstep(1.0, 0.94, place)
    return mix(1.0, darkness, ends)
