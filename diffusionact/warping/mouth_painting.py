"""Paints the inside of the mouth: the photo's own, kept rigid where it was seen, else a drawn one."""

from __future__ import annotations

import torch
from torch import Tensor

from .drawing import Drawing, axes
from .mouth import LIP_CORNERS, lip_opening
from .mouth_inside import inside_of_mouth
from .own_mouth import OwnMouth, find_own_mouth
from .placement import ALIGNED_SIZE
from .sampling import mix, polygon_distance, smooth_outline, smoothstep
from .teeth import arch_depth, shaded
from .topology import LIP_RING, index_of
from .values import WarpSource
from .view import output_scale, output_to_plane

# Movement of the inner lips against the skull up to which the mesh's warp of the photo is kept, and beyond which the
# inside is drawn anew, cm.
SAME_LIPS_CM, OTHER_LIPS_CM = 0.03, 0.12
# Lips that meet after they had parted in the photo: openings, and reach and colour of the dark line between them.
MET, PARTED, SEAM_CM, SEAM_COLOUR = 0.004, 0.03, 0.07, (0.40, 0.20, 0.19)
# Softness of the lips' edge in pixels of the output, or of the photo where those are larger.
EDGE_SOFTNESS_PX, PHOTO_SOFTNESS_PX = 1.6, 1.2
# Lips shade what lies behind them over this distance from their edge, cm, down to this share.
LIP_SHADE_CM, LIP_SHADE = 0.2, 0.76


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
    colours, known, lit = inside_of_mouth(source, own, drawing, teeth, max(1.2 * pixel_cm, photo_cm), now)
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
