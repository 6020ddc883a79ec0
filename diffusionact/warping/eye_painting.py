"""Paints the eyes of a frame: lids that close without smearing the lashes, the white, the iris where the gaze is."""

from __future__ import annotations

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
from .sampling import apply, mix, polygon_coverage, sample, smooth_outline, smoothstep
from .topology import EYE_RINGS, IRISES
from .values import WarpSource
from .view import source_grid

EYE_CORNERS = (0, 8)
# Box around an eye in eye widths.
BOX_REACH = 0.95
# Share of the source's opening that is closed: over this range the skin of the lid replaces what the mesh draws out.
SKIN_CLOSING = (0.15, 0.5)
LASH_CLOSING = (0.2, 0.6)
# Movement of the iris against the lids, in iris radii, from which it is drawn anew.
IRIS_STAYS, IRIS_MOVES = 0.06, 0.2
# Change of the opening from which the iris would be squashed by the lids' warp.
OPENING_STAYS, OPENING_CHANGES = 0.06, 0.2


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
    ring = drawing.points[list(EYE_RINGS[eye])]
    width = (ring[0] - ring[8]).norm().clamp(min=2.0)
    box = drawing.box(ring.mean(0) - BOX_REACH * width, ring.mean(0) + BOX_REACH * width)
    if box is None:
        return
    rows, columns = box
    pixels, image = drawing.pixels[box], drawing.image[:, rows, columns]
    patch = apply(source.eye_frames[eye], drawing.grid[box])
    now, before = opening(drawing.head, EYE_RINGS[eye]), opening(source.shape, EYE_RINGS[eye])
    closed = (1 - now / before.clamp(min=0.02)).clamp(0.0, 1.0)
    cover = polygon_coverage(pixels, smooth_outline(ring, EYE_CORNERS, 2), 1.4)

    skin_share = sample(source.eye_masks[eye, 1:], patch)[0] * smoothstep(*SKIN_CLOSING, closed)
    painted = mix(image, sample(source.lid_skin[eye], patch), skin_share)
    eyeball, trust = _eyeball(source, texture, drawing, eye, pixels, patch, now / before.clamp(min=0.02))
    moved, known = trust
    painted = mix(painted, eyeball, cover * torch.maximum(moved, skin_share))
    lash_share = smoothstep(*LASH_CLOSING, closed)
    if lash_share > 0:
        painted = painted * mix(1.0, _lash_shadow(source.lashes[eye], ring, pixels, width, closed), lash_share)
    drawing.image[:, rows, columns] = painted
    wide = smoothstep(0.3, 0.85, (before / now.clamp(min=1e-3)).clamp(max=1.0))
    in_eye = wide * (1 - moved * (0.3 + 0.6 * (1 - known)))
    drawing.confidence[box] *= mix(1 - 0.6 * skin_share, in_eye, cover)


def _eyeball(
    source: WarpSource, texture: Tensor, drawing: Drawing, eye: int, pixels: Tensor, patch: Tensor, ratio: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Colours (3, h, w) of the white and the iris; how much they are needed () and known (h, w)."""
    points, frame = drawing.points, source.eye_frames[eye]
    iris = list(IRISES[eye])
    axes = iris_axes(points[iris])
    unit = (pixels - points[iris[0]]) @ torch.linalg.inv(axes).T
    radius = unit.norm(dim=-1)
    # The source's iris in the canvas' grid, and the colours there.
    own_points = source_grid(source, source.shape[iris])
    own_axes = iris_axes(own_points)
    places = own_points[0] + unit @ own_axes.T
    own = sample(texture, places, "bicubic").clamp(0, 1)
    seen = smoothstep(0.5, 0.95, sample(source.eye_masks[eye, :1], apply(frame, places))[0])
    colour = mix(_ring_colours(source.iris_rings[eye], radius), own, seen)
    disc = smoothstep(1.14, 0.98, radius)
    white = sample(source.eye_white[eye], patch)
    # How far the iris sits from where the lids' warp would put it, in radii.
    shift = _iris_shift(source, drawing, eye, own_points, own_axes)
    moved = smoothstep(IRIS_STAYS, IRIS_MOVES, shift)
    moved = torch.maximum(moved, smoothstep(OPENING_STAYS, OPENING_CHANGES, (1 - ratio).abs()))
    return mix(white, colour, disc), (moved, seen * disc)


def _iris_shift(source: WarpSource, drawing: Drawing, eye: int, own: Tensor, own_axes: Tensor) -> Tensor:
    """() distance of the iris in its eye from the source's, in radii: both measured from the corners of the lids."""
    ring = list(EYE_RINGS[eye])
    now = apply(eye_frame(drawing.points[ring]), drawing.points[IRISES[eye][0]])
    before = apply(source.eye_frames[eye], own[0])
    radius = (source.eye_frames[eye, :, :2] @ own_axes[:, 0]).norm().clamp(min=1e-6)
    return (now - before).norm() / radius


def _ring_colours(rings: Tensor, radius: Tensor) -> Tensor:
    """Colours (3, h, w) of an iris (3, R) by radius."""
    index = (radius / IRIS_REACH * IRIS_RINGS - 0.5).clamp(0, IRIS_RINGS - 1 - 1e-3)
    low = index.long()
    return mix(rings[:, low], rings[:, low + 1], index - low)


def _lash_shadow(lashes: Tensor, ring: Tensor, pixels: Tensor, width: Tensor, closed: Tensor) -> Tensor:
    """Darkness (3, h, w) of the upper lashes; they point up while the eye is open and down when it is shut."""
    edge, _ = edge_curve(ring[:9], 17)
    start, step = edge[:-1], edge[1:] - edge[:-1]
    away = pixels[..., None, :] - start
    along = ((away * step).sum(-1) / step.square().sum(-1).clamp(min=1e-6)).clamp(0, 1)
    gap = away - along[..., None] * step
    distance, nearest = gap.square().sum(-1).min(-1)
    nearest = nearest[..., None]
    place = (nearest + along.gather(-1, nearest))[..., 0] / (len(edge) - 1)
    across = step[:, 0].sum().sign()
    side = (away[..., 1] * step[:, 0] - away[..., 0] * step[:, 1]).gather(-1, nearest)[..., 0] * across
    height = -side.sign() * distance.sqrt() / width  # up is positive
    length = (1 - 2 * closed).abs().clamp(min=0.4)
    down = smoothstep(0.35, 0.65, closed)
    return mix(_lash_rows(lashes, place, height / length), _lash_rows(lashes, place, -height / length), down)


def _lash_rows(lashes: Tensor, place: Tensor, height: Tensor) -> Tensor:
    """Darkness (3, h, w) at a place along the lid in [0, 1] and a height above its edge, eye widths."""
    column = (place * (LASH_COLUMNS - 1) + 0.5) / LASH_COLUMNS * 2 - 1
    row = ((height + LASH_BELOW) / (LASH_ABOVE + LASH_BELOW) * (LASH_ROWS - 1) + 0.5) / LASH_ROWS * 2 - 1
    darkness = sample(lashes, torch.stack([column, row], dim=-1))
    ends = smoothstep(0.0, 0.06, place) * smoothstep(1.0, 0.94, place)
    return mix(1.0, darkness, ends)
