"""Paints the eyes of a frame: lids that close without smearing the lashes, the white, the iris where the gaze is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, reduce

import torch
from torch import Tensor

from .drawing import Drawing, axes
from .eyes import (
    IRIS_REACH,
    IRIS_RINGS,
    LASH_ABOVE,
    LASH_BELOW,
    LASH_COLUMNS,
    LASH_ROWS,
    LID_RIM,
    NARROW,
    SHOWN,
    edge_curve,
    eye_frame,
    iris_axes,
    ring_opening,
)
from .rasteriser import gather
from .sampling import (
    apply_each,
    length,
    mix,
    polygon_coverage,
    sample,
    sample_each,
    segment_distance,
    smooth_outline,
    smoothstep,
)
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
# Movement of the iris against the lids, in iris radii, from which it is drawn anew.
IRIS_STAYS, IRIS_MOVES = 0.06, 0.2
# Change of the opening from which the iris would be squashed by the lids' warp.
OPENING_STAYS, OPENING_CHANGES = 0.06, 0.2


@dataclass(frozen=True)
class OwnEyes:
    """Both eyes in the photo.

    Attributes:
        opening: (2,) height for width.
        shown: (2,) in [0, 1], whether the photo shows them open, and not lashes alone.
        axes: (2, 2, 2) see `iris_axes`, grid coordinates of the canvas.
        middle: (2, 2) of the irises in the eyes' patches.
        radius: (2,) of the irises there.
        patches: (2, 7, P, P) the white, the skin of the lids, and the zone in which it shows.
    """

    opening: Tensor
    shown: Tensor
    axes: Tensor
    middle: Tensor
    radius: Tensor
    patches: Tensor


@dataclass(frozen=True)
class MovedEyes:
    """Both eyes in a frame.

    Attributes:
        ring: (2, 16, 2) px, the lids' edges.
        width: (2,) px.
        ratio: (2,) the opening for that in the photo.
        closed: (2,) in [0, 1], how far they have closed.
    """

    ring: Tensor
    width: Tensor
    ratio: Tensor
    closed: Tensor


def paint_eyes(source: WarpSource, iris_source: Tensor, drawing: Drawing) -> None:
    """Paint both eyes into the drawing.

    Args:
        source: made ready.
        iris_source: (3, side, side) texture that irises are fetched from.
        drawing: changed in place.
    """
    rings = index_of(EYE_RINGS, drawing.points.device)
    ring = gather(drawing.points, rings)
    ratio = ring_opening(gather(drawing.head, rings)) / _own_eyes(source).opening
    width = length(ring[:, 0] - ring[:, 8]).clamp(min=2.0)
    eyes = MovedEyes(ring, width, ratio, (1 - ratio).clamp(0.0, 1.0))
    _paint_lids(source, drawing, eyes)
    _paint_eyeballs(source, iris_source, drawing, eyes)
    _paint_lashes(source, drawing, eyes)


def _paint_lids(source: WarpSource, drawing: Drawing, eyes: MovedEyes) -> None:
    """Closing lids show smooth skin where the mesh would draw out lashes and their shadow."""
    amount = smoothstep(*SKIN_CLOSING, eyes.closed)
    middle, reach = eyes.ring.mean(1), BOX_REACH * eyes.width[:, None]
    if amount.amax() <= 0 or (boxes := drawing.boxes(middle - reach, middle + reach)) is None:
        return
    patch = apply_each(source.eye_frames, drawing.cut(drawing.grid, boxes))
    skin, share = sample_each(_own_eyes(source).patches[:, 3:], patch).split([3, 1], dim=1)
    share = share[:, 0] * amount[:, None, None]
    for box, colours, part in zip(boxes, skin, share, strict=True):
        drawing.paint(box, colours, part)
        drawing.confidence[box] *= 1 - 0.6 * part


def _paint_eyeballs(source: WarpSource, texture: Tensor, drawing: Drawing, eyes: MovedEyes) -> None:
    """The white and the iris, where the opening shows them."""
    boxes = drawing.boxes(eyes.ring.amin(1) - 2, eyes.ring.amax(1) + 2)
    if boxes is None:
        return
    pixels, patch = drawing.cut(drawing.pixels, boxes), apply_each(source.eye_frames, drawing.cut(drawing.grid, boxes))
    cover = polygon_coverage(*axes(pixels), smooth_outline(eyes.ring, EYE_CORNERS, 2), EDGE_SOFTNESS_PX)
    ratio = eyes.ratio[:, None, None]
    white, lid = sample_each(_own_eyes(source).patches[:, :6], patch).split(3, dim=1)
    iris, disc, seen = _irises(source, texture, drawing, pixels)
    # A slit shows shadow rather than the eye.
    eyeball = mix(lid * SLIT_SHADE, mix(white, iris, disc[:, None]), smoothstep(*SLIT_RATIO, ratio)[:, None])
    moved = _iris_moved(source, drawing, eyes)[:, None, None]
    share = cover * torch.maximum(moved, smoothstep(*SKIN_CLOSING, 1 - ratio))
    wide = smoothstep(0.3, 0.85, 1 / ratio.clamp(min=1.0))
    sure = mix(1.0, wide * (1 - moved * (0.3 + 0.6 * (1 - seen * disc))), cover)
    for eye, box in enumerate(boxes):
        drawing.paint(box, eyeball[eye], share[eye])
        drawing.confidence[box] *= sure[eye]


def _irises(source: WarpSource, texture: Tensor, drawing: Drawing, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Colours (2, 3, h, w) of the irises, their discs (2, h, w), and where the photo showed them (2, h, w)."""
    own, iris = _own_eyes(source), _iris_points(drawing)
    away = (pixels - iris[:, None, None, 0]).flatten(1, 2)
    unit = (away @ torch.linalg.inv(iris_axes(iris)).mT).view(pixels.shape)
    radius = length(unit)
    # The source's iris in the canvas' grid, and the colours there.
    positions = source.irises[:, :1] + unit.flatten(1, 2) @ own.axes.mT
    shown = sample(texture, positions, "bicubic").clamp(0, 1).movedim(1, 0).view(2, 3, *radius.shape[1:])
    places = apply_each(source.eye_frames, positions).view(pixels.shape)
    seen = smoothstep(0.5, 0.95, _clear_of_lids(source.eye_masks[:, :1], places)) * own.shown[:, None, None]
    colour = mix(_ring_colours(source.iris_rings, radius), shown, seen[:, None])
    return colour, smoothstep(1.14, 0.98, radius), seen


def _iris_moved(source: WarpSource, drawing: Drawing, eyes: MovedEyes) -> Tensor:
    """(2,) in [0, 1] how far the irises sit from where the lids' warp would put them, or the lids squash them."""
    own = _own_eyes(source)
    now = apply_each(eye_frame(eyes.ring), _iris_points(drawing)[:, 0])
    moved = smoothstep(IRIS_STAYS, IRIS_MOVES, length(now - own.middle) / own.radius)
    return torch.maximum(moved, smoothstep(OPENING_STAYS, OPENING_CHANGES, (1 - eyes.ratio).abs()))


def _iris_points(drawing: Drawing) -> Tensor:
    """(2, 5, 2) px, middle and rim of both irises in the frame."""
    return gather(drawing.points, index_of(IRISES, drawing.points.device))


def _clear_of_lids(masks: Tensor, places: Tensor) -> Tensor:
    """Masks (2, h, w) of the openings at places (2, h, w, 2), without rims above and below that lids colour."""
    rim = places.new_tensor([0.0, LID_RIM])
    above, below = sample_each(masks, torch.cat([places - rim, places + rim], dim=1))[:, 0].chunk(2, dim=1)
    return torch.minimum(above, below)


@lru_cache(maxsize=4)  # of a source's tensors, which stay the same
def _own_eyes(source: WarpSource) -> OwnEyes:
    """Both eyes in the photo."""
    axes, rings = iris_axes(source.irises), torch.tensor(EYE_RINGS)
    return OwnEyes(
        opening=ring_opening(source.shape[rings]).clamp(min=0.02),
        shown=smoothstep(NARROW, SHOWN, ring_opening(source.positions[rings])),
        axes=axes,
        middle=apply_each(source.eye_frames, source.irises[:, 0]),
        radius=(source.eye_frames[..., :2] @ axes[..., :1])[..., 0].norm(dim=-1).clamp(min=1e-6),
        patches=torch.cat([source.eye_white, source.lid_skin, source.eye_masks[:, 1:]], dim=1),
    )


def _ring_colours(rings: Tensor, radius: Tensor) -> Tensor:
    """Colours (2, 3, h, w) of irises (2, 3, R) by radius (2, h, w)."""
    index = (radius / IRIS_REACH * IRIS_RINGS - 0.5).clamp(0, IRIS_RINGS - 1 - 1e-3)[:, None]
    low = index.long()
    inner, outer = (rings.gather(2, (low + i).flatten(2).expand(-1, 3, -1)) for i in (0, 1))
    share = index - low
    return mix(*(ring.view(2, 3, *radius.shape[1:]) for ring in (inner, outer)), share)


def _paint_lashes(source: WarpSource, drawing: Drawing, eyes: MovedEyes) -> None:
    """The upper lashes darken what lies behind them."""
    share = smoothstep(*LASH_CLOSING, eyes.closed)
    reach = LASH_REACH * eyes.width[:, None]
    if share.amax() <= 0 or (boxes := drawing.boxes(eyes.ring.amin(1) - reach, eyes.ring.amax(1) + reach)) is None:
        return
    shadow = mix(1.0, _lash_shadow(source.lashes, drawing.cut(drawing.pixels, boxes), eyes), share[:, None, None, None])
    for box, part in zip(boxes, shadow, strict=True):
        drawing.image[:, box[0], box[1]] *= part


def _lash_shadow(lashes: Tensor, pixels: Tensor, eyes: MovedEyes) -> Tensor:
    """Darkness (2, 3, h, w) of the upper lashes; they point up while the eye is open and down when it is shut."""
    edge, _ = edge_curve(eyes.ring[:, :9], 17)
    start, step = edge[:, :-1], edge.diff(dim=1)
    squared, along = segment_distance(*axes(pixels), start, edge[:, 1:])
    distance, nearest = squared.min(1)
    place = (nearest + along.gather(1, nearest[:, None])[:, 0]) / (edge.shape[1] - 1)
    first = torch.arange(2, device=edge.device)[:, None, None] * start.shape[1]
    start, step = gather(torch.stack([start, step], dim=2).flatten(0, 1), nearest + first).unbind(-2)
    away = pixels - start
    outwards = (edge[:, -1, 0] - edge[:, 0, 0]).sign()[:, None, None]
    below = (away[..., 1] * step[..., 0] - away[..., 0] * step[..., 1]) * outwards
    width, closed = eyes.width[:, None, None], eyes.closed[:, None, None]
    height = -below.sign() * distance.sqrt() / width
    reach = (1 - 2 * closed).abs().clamp(min=MIN_LASH_REACH)
    up, down = 1 - smoothstep(*LASHES_UP, closed), smoothstep(*LASHES_DOWN, closed)
    parts = [
        mix(1.0, _lash_rows(lashes, place, side * height / reach), amount[:, None])
        for side, amount in ((1, up), (-1, down))
        if amount.amax() > 0
    ]
    return reduce(torch.minimum, parts, torch.ones_like(height[:, None]))


def _lash_rows(lashes: Tensor, place: Tensor, height: Tensor) -> Tensor:
    """Darkness (2, 3, h, w) at places along the lids in [0, 1] and heights above their edges, eye widths."""
    column = (place * (LASH_COLUMNS - 1) + 0.5) / LASH_COLUMNS * 2 - 1
    row = ((height + LASH_BELOW) / (LASH_ABOVE + LASH_BELOW) * (LASH_ROWS - 1) + 0.5) / LASH_ROWS * 2 - 1
    darkness = sample_each(lashes, torch.stack([column, row], dim=-1))
    ends = smoothstep(0.0, 0.06, place) * smoothstep(1.0, 0.94, place)
    return mix(1.0, darkness, ends[:, None])
