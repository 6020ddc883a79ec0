"""Motions of a source: from the coefficients of a driver's pose, or from a mesh of the same person."""

from __future__ import annotations

import torch
from torch import Tensor

from ..face.expression_names import EXPRESSION_NAMES
from ..types import FaceCoefficients
from .eyes import opening
from .lips import keep_lips_apart, meet_lips
from .placement import fit_placement, head_shape, mesh_to_plane, move_placement
from .topology import EYE_RINGS, IRISES
from .values import WarpMotion, WarpSource

BLINK = tuple(EXPRESSION_NAMES.index(name) for name in ("eyeBlinkRight", "eyeBlinkLeft"))
WIDE = tuple(EXPRESSION_NAMES.index(name) for name in ("eyeWideRight", "eyeWideLeft"))
SQUINT = tuple(EXPRESSION_NAMES.index(name) for name in ("eyeSquintRight", "eyeSquintLeft"))
# The value of eyeBlink at which eyes are shut: their opening falls to it in a straight line, as seen in seven clips.
BLINK_SHUT = 0.75
WIDE_GAIN, SQUINT_LOSS = 0.25, 0.15
MIN_OPENING = 0.03
# Eyes open by at most this factor, or so far, height for width: half-shut ones as far as others.
MAX_LID_RATIO, FULL_OPENING = 1.4, 0.36
# Share of the closing that the upper lid does.
UPPER_LID_SHARE = 0.8
# Eyes count as at least this open, height for width, when the iris is moved up or down.
MIN_GAZE_HEIGHT = 0.25
MAX_IRIS_TRAVEL = 0.7  # of half the eye's width


def coefficient_motion(
    source: WarpSource, directions: Tensor, coefficients: FaceCoefficients, gaze: Tensor
) -> WarpMotion:
    """The source in the pose, expression and gaze of F rows of coefficients; its own coefficients leave it as it is.

    Args:
        source: made ready.
        directions: (52, 478, 3) cm, displacement of the mesh points by each expression value, head frame.
        coefficients: F rows, camera in the source's aligned crop.
        gaze: (F, 2) pitch, yaw in radians.
    """
    placement = move_placement(
        source.placement,
        (source.rotation_values, source.camera),
        (coefficients.rotation, coefficients.camera),
    )
    before, after = (torch.einsum("fe,evc->fvc", e, directions) for e in (source.expression, coefficients.expression))
    change = meet_lips(source.shape, after - before, before[0], after)
    own = torch.stack([opening(source.shape, ring) for ring in EYE_RINGS])
    ratio = lid_ratio(source.expression, coefficients.expression, own)
    change = scale_lids(source.shape, change, ratio)
    change = move_irises(source.shape, change, source.gaze, gaze)
    return WarpMotion(placement, keep_lips_apart(source.shape, change))


def mesh_motion(source: WarpSource, meshes: Tensor) -> WarpMotion:
    """The source with the geometry of other photos of the same person.

    Args:
        source: made ready.
        meshes: (F, 478, 3) aligned px of the source's aligned crop, or of whatever crop the result should fit.
    """
    plane = mesh_to_plane(meshes)
    placement = fit_placement(plane)
    return WarpMotion(placement, head_shape(placement, plane) - source.shape)


def lid_ratio(source: Tensor, target: Tensor, own: Tensor) -> Tensor:
    """(F, 2) by what factor the source's eyes open, the right one first.

    Args:
        source: (1, 52) the source's expression.
        target: (F, 52) the wanted ones.
        own: (2,) how open the source's eyes are, height for width.
    """
    limit = (FULL_OPENING / own.clamp(min=0.01)).clamp(min=MAX_LID_RATIO)
    return torch.minimum(_lid_opening(target) / _lid_opening(source), limit)


def _lid_opening(expression: Tensor) -> Tensor:
    """(F, 2) how open the eyes are, about 1 at rest."""
    blink, wide, squint = (expression[:, list(names)] for names in (BLINK, WIDE, SQUINT))
    opened = 1 - blink / BLINK_SHUT
    return (opened * (1 - SQUINT_LOSS * squint) + WIDE_GAIN * wide).clamp(min=MIN_OPENING)


def scale_lids(shape: Tensor, change: Tensor, ratio: Tensor) -> Tensor:
    """Open each eye by a factor on the source's own opening: a blink closes eyes of any size, and never crosses lids.

    Args:
        shape: (478, 3) cm.
        change: (F, 478, 3) cm; what it does to the opening is replaced.
        ratio: (F, 2).
    """
    moved = shape + change
    for eye, ring in enumerate(EYE_RINGS):
        upper, lower = list(ring[1:8]), [ring[16 - i] for i in range(1, 8)]
        gap = (shape[upper] - shape[lower]) * ratio[:, eye, None, None]
        middle = (1 - UPPER_LID_SHARE) * moved[:, upper] + UPPER_LID_SHARE * moved[:, lower]
        moved[:, upper], moved[:, lower] = middle + UPPER_LID_SHARE * gap, middle - (1 - UPPER_LID_SHARE) * gap
    return moved - shape


def move_irises(shape: Tensor, change: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Let irises travel with their eye's corners and with the gaze.

    The offset in the eye is that of `gaze.pupils_from_gaze`: half the width times sin(yaw) cos(pitch), half the height
    times sin(pitch).

    Args:
        shape: (478, 3) cm.
        change: (F, 478, 3) cm.
        before: (1, 2) the source's gaze.
        after: (F, 2) the wanted gaze.
    """
    change = change.clone()
    across = _gaze_across(after) - _gaze_across(before)
    up = after[:, 0].sin() - before[:, 0].sin()
    for ring, iris in zip(EYE_RINGS, IRISES, strict=True):
        width = (shape[ring[0]] - shape[ring[8]]).norm()
        height = torch.maximum((shape[ring[4]] - shape[ring[12]]).norm(), MIN_GAZE_HEIGHT * width)
        travel = torch.stack([-across * width / 2, up * height / 2, torch.zeros_like(up)], dim=-1)
        limit = MAX_IRIS_TRAVEL * width / 2
        corners = change[:, [ring[0], ring[8]]].mean(1)
        change[:, list(iris)] = (corners + travel.clamp(-limit, limit))[:, None]
    return change


def _gaze_across(gaze: Tensor) -> Tensor:
    return gaze[:, 1].sin() * gaze[:, 0].cos()
