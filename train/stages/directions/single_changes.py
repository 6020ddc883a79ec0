"""Which change of the face is asked for: the target's whole, or one parameter alone, so that directions come apart.

Source: `disentanglement_50` of the official code. One thing is put right: a changed angle becomes exactly the rotation
with these angles; the official conversion is off by some degrees where the head is rolled.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from diffusionact.face.geometry.rotations import matrix_to_axis_angle
from diffusionact.face.readers.emoca.flame import NUM_EXPRESSION, official_angles
from diffusionact.generation.face_parameters import ANGLES_DEG, LIMIT, NUM_EXPRESSIONS, units_per_parameter
from diffusionact.types import FaceCoefficients

NUM_ANGLES = len(ANGLES_DEG)
JAW = NUM_ANGLES
WHOLE = -1


def wanted_change(source: Tensor, target: Tensor, single: Tensor, share: Tensor) -> Tensor:
    """Changes of normalised parameters (B, 15).

    The target's less the source's; or, of one parameter alone, to a value drawn evenly from [-6, 6].

    Args:
        source, target: normalised parameters (B, 15).
        single: (B,) the parameter that changes alone, or `WHOLE`.
        share: (B,) in [0, 1), where its new value lies, from 6 down to -6.
    """
    alone = LIMIT - source - 2 * LIMIT * share[:, None]
    chosen = torch.nn.functional.one_hot(single.clamp(min=0), source.shape[1]).to(source)
    return torch.where((single == WHOLE)[:, None], target - source, alone * chosen)


def wanted_face(
    source: FaceCoefficients, target: FaceCoefficients, single: Tensor, change: Tensor, own_shape: bool = True
) -> FaceCoefficients:
    """What the reenacted face should be, as B coefficients at the source's camera.

    Args:
        source, target: of FLAME.
        single: see `wanted_change`.
        change: from it.
        own_shape: the source's shape; False takes the target's, who then is the same person.
    """
    values = change * units_per_parameter(change)
    expression = source.expression.clone()
    expression[:, :NUM_EXPRESSIONS] += values[:, JAW + 1 :]
    expression[:, NUM_EXPRESSION] += values[:, JAW]
    turned = rotation_of_angles(official_angles(source.rotation) + values[:, :NUM_ANGLES])
    is_angle = ((single != WHOLE) & (single < NUM_ANGLES))[:, None]
    is_whole = (single == WHOLE)[:, None]
    rotation = torch.where(is_angle, turned, source.rotation)
    return replace(
        source,
        shape=source.shape if own_shape else target.shape,
        expression=torch.where(is_whole, target.expression, expression),
        rotation=torch.where(is_whole, target.rotation, rotation),
    )


def rotation_of_angles(angles_deg: Tensor) -> Tensor:
    """Axis-angle (B, 3) of the inverse of `official_angles`: R = Rz(roll) Ry(-yaw) Rx(pitch)."""
    yaw, pitch, roll = torch.deg2rad(angles_deg).unbind(-1)
    (cy, sy), (cp, sp), (cr, sr) = ((angle.cos(), angle.sin()) for angle in (-yaw, pitch, roll))
    rows = (
        (cr * cy, cr * sy * sp - sr * cp, cr * sy * cp + sr * sp),
        (sr * cy, sr * sy * sp + cr * cp, sr * sy * cp - cr * sp),
        (-sy, cy * sp, cy * cp),
    )
    return matrix_to_axis_angle(torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2))
