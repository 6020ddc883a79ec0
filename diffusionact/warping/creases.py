"""The creases of a smile, from the nose's wings past the mouth: they fade as the smile of the photo goes away."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..face.expression_names import EXPRESSION_NAMES
from .drawing import Drawing
from .sampling import (
    apply,
    blur,
    pixel_centres,
    pixels_to_grid,
    polygon_coverage,
    sample,
    segment_distance,
    smoothstep,
)
from .topology import LIP_RING
from .values import WarpSource

# Lines of mesh points along which cheek and upper lip meet, the subject's right side first, and corners of the mouth.
LINES = ((129, 203, 206, 216, 212, 202), (358, 423, 426, 436, 432, 422))
OUTER_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
SMILES = tuple(EXPRESSION_NAMES.index(name) for name in ("mouthSmileRight", "mouthSmileLeft"))
CORNERS = (LIP_RING[0], LIP_RING[10])
# Patch of one side: its side in px, and how far it reaches beyond the line, cm.
PATCH, MARGIN_CM = 96, 1.2
# What lies so near to the line belongs to the crease, and so near to the lips does not, cm.
CREASE_CM, LIPS_CM = (0.9, 0.35), 0.25
# Folds are wider than the first and narrower than the second of these, sigmas in cm; finer is skin, broader is light.
FINE_CM, BROAD_CM = 0.06, 0.55
# Values of a smile in the photo from which on its creases fade, and how far its corners move in and down for it, cm.
SMILING, RELAXED_CM = (0.2, 0.55), (0.1, 0.6)
# Share of the dark that fades, and of the light beside it.
DARK, LIGHT = 0.85, 0.5
MIN_AMOUNT = 0.02


@dataclass(frozen=True)
class Creases:
    """What the creases of both sides add to the skin.

    Attributes:
        frames: (2, 2, 3) canvas grid -> each patch's grid.
        relief: (2, 3, PATCH, PATCH) added to the skin as it relaxes.
        smiles: (2,) in [0, 1], how far the photo smiles there.
    """

    frames: Tensor
    relief: Tensor
    smiles: Tensor


@torch.no_grad()
def find_creases(source: WarpSource) -> Creases | None:
    """The creases of a photo that smiles; None if it does not."""
    smiles = smoothstep(*SMILING, source.expression[0, list(SMILES)])
    if smiles.amax() < MIN_AMOUNT:
        return None
    sides = [_relief(source, list(line)) for line in LINES]
    frames, relief = (torch.stack(parts) for parts in zip(*sides, strict=True))
    return Creases(frames, relief, smiles)


def _relief(source: WarpSource, line: list[int]) -> tuple[Tensor, Tensor]:
    """One side's frame (2, 3) and relief (3, PATCH, PATCH)."""
    grid_per_cm = source.scale[0] * 128 * torch.linalg.det(source.to_grid[:, :2]).abs().sqrt()
    points = source.positions[line]
    low, high = points.amin(0) - MARGIN_CM * grid_per_cm, points.amax(0) + MARGIN_CM * grid_per_cm
    middle, reach = (low + high) / 2, (high - low).amax() / 2
    frame = torch.cat([torch.eye(2, device=points.device) / reach, -middle[:, None] / reach], dim=1)
    to_grid = pixels_to_grid(PATCH, points.device)
    pixels = pixel_centres(PATCH, PATCH, points.device)
    # Never finer than the patch, so that nothing aliases.
    side = min(source.texture.shape[-1], max(1, round(PATCH / float(reach))))
    texture = F.interpolate(source.texture[None], size=(side, side), mode="bilinear", antialias=True)[0]
    patch = sample(texture, apply(to_grid, pixels) * reach + middle)
    px_per_cm = float(PATCH / 2 / reach * grid_per_cm)

    def in_patch(index: list[int]) -> Tensor:
        return (apply(frame, source.positions[index]) - to_grid[:, 2]) * (PATCH / 2)

    lips = polygon_coverage(*pixels.unbind(-1), in_patch(list(OUTER_LIPS)), LIPS_CM * px_per_cm)
    skin = (1 - lips)[None]
    at = in_patch(line)
    away = segment_distance(*pixels.unbind(-1), at[:-1], at[1:])[0].amin(0).sqrt() / px_per_cm
    near = smoothstep(*CREASE_CM, away) * (1 - polygon_coverage(*pixels.unbind(-1), in_patch(list(OUTER_LIPS)), 4.0))
    fine, broad = (
        blur(patch * skin, sigma * px_per_cm) / blur(skin, sigma * px_per_cm).clamp(min=1e-3)
        for sigma in (FINE_CM, BROAD_CM)
    )
    relief = broad - fine
    return frame, near * (DARK * relief.clamp(min=0) + LIGHT * relief.clamp(max=0))


def relax_creases(creases: Creases | None, drawing: Drawing) -> None:
    """Fade the creases in the drawing, in place, as far as the corners of the mouth have moved in and down."""
    if creases is None:
        return
    for side, (line, corner, outwards) in enumerate(zip(LINES, CORNERS, (-1.0, 1.0), strict=True)):
        moved = -(outwards * drawing.change[corner, 0] + drawing.change[corner, 1]) * 0.5**0.5
        amount = creases.smiles[side] * smoothstep(*RELAXED_CM, moved)
        if amount < MIN_AMOUNT:
            continue
        points = drawing.points[list(line)]
        margin = (points.amax(0) - points.amin(0)).amax() * 0.4
        box = drawing.box(points.amin(0) - margin, points.amax(0) + margin)
        if box is None:
            continue
        place = apply(creases.frames[side], drawing.grid[box])
        shown = (place.abs().amax(-1) < 1).to(place)
        drawing.image[:, box[0], box[1]] += amount * shown * sample(creases.relief[side], place)
