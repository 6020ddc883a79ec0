"""The 15 face parameters of "Finding Directions" and their normalisation: yaw, pitch, roll, jaw, eleven expressions.

A parameter is normalised to about [-6, 6]: angles by a fixed number of degrees, the others by the range that 2,000
random faces of the authors' generator have. Source: the official code's `ranges_voxceleb.npy`, held against its outputs
in tests/generation/test_generation_face_parameters.py.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from ..face.expression_names import EXPRESSION_NAMES
from ..face.readers.emoca.flame import NUM_EXPRESSION, FlameModel, official_angles
from ..face.readers.open.face_model import JAW_OPEN, OpenFaceModel
from ..types import FaceCoefficients

# Largest normalised value of any parameter.
LIMIT = 6.0
# Degrees that are normalised to the limit. Not the ranges of the file, which the official code does not use here.
ANGLES_DEG = {"yaw": 40.0, "pitch": 20.0, "roll": 20.0}
# Lowest and highest value: the jaw's turn in radians, then FLAME's first eleven expressions.
RANGES: dict[str, tuple[float, float]] = {
    "jaw": (-0.11169847846031189, 0.19479338824748993),
    "expression_0": (-0.9968752861022949, 2.3540308475494385),
    "expression_1": (-0.9558461308479309, 1.6016768217086792),
    "expression_2": (-0.2513495981693268, 0.6300631761550903),
    "expression_3": (-0.3255189061164856, 1.6557607650756836),
    "expression_4": (-1.8895974159240723, 1.3332788944244385),
    "expression_5": (-1.3506605625152588, 1.2258248329162598),
    "expression_6": (-1.1249886751174927, 1.052120327949524),
    "expression_7": (-1.6779751777648926, 0.9289817810058594),
    "expression_8": (-0.9170559644699097, 1.0866150856018066),
    "expression_9": (-0.7737163305282593, 1.8717907667160034),
    "expression_10": (-1.6655000448226929, 0.8243483901023865),
}
PARAMETERS = (*ANGLES_DEG, *RANGES)
NUM_EXPRESSIONS = len(RANGES) - 1
FACE_MODELS = (FlameModel.name, OpenFaceModel.name)
# Without FLAME's files: the turn of FLAME's jaw at the open face model's jawOpen of 1, radians; an estimate of ours.
JAW_OPEN_RAD = 0.35


def normalise(angles_deg: Tensor, jaw_and_expression: Tensor) -> Tensor:
    """Values -> normalised parameters (B, 15).

    Args:
        angles_deg: (B, 3) yaw, pitch, roll of `official_angles`; linear through 0, not clamped.
        jaw_and_expression: (B, 12) jaw's turn in radians and the first eleven expressions of FLAME.
    """
    degrees = angles_deg.new_tensor(list(ANGLES_DEG.values()))
    low, high = jaw_and_expression.new_tensor(list(RANGES.values()), dtype=torch.float64).unbind(-1)
    scaled = (jaw_and_expression.double() - low) / (high - low) * (2 * LIMIT) - LIMIT
    return torch.cat([angles_deg * (LIMIT / degrees), scaled.to(angles_deg)], dim=-1)


def units_per_parameter(like: Tensor) -> Tensor:
    """(15,) degrees, radians or expression values that one unit of a normalised parameter is."""
    extents = [high - low for low, high in RANGES.values()]
    return like.new_tensor([degrees / LIMIT for degrees in ANGLES_DEG.values()] + [e / (2 * LIMIT) for e in extents])


def parameters_of(coefficients: FaceCoefficients, of_named_values: Tensor) -> Tensor:
    """Normalised parameters (B, 15) of a face.

    Args:
        coefficients: of FLAME, or of the open face model, whose head frame is the same.
        of_named_values: (52, 12) jaw and expressions for the open face model's values, see `jaw_alone`.

    Raises:
        ValueError: if they are of another face model.
    """
    if coefficients.face_model not in FACE_MODELS:
        raise ValueError(
            f"Expected a face read with one of the face models {', '.join(FACE_MODELS)} for the engine 'directions', "
            f"received {coefficients.face_model!r}. Use the face reader 'deca', 'emoca' or 'open', or another model."
        )
    expression = coefficients.expression
    if coefficients.face_model == OpenFaceModel.name:
        values = expression @ of_named_values.to(expression)
    else:
        jaw = expression[:, NUM_EXPRESSION : NUM_EXPRESSION + 1]
        values = torch.cat([jaw, expression[:, :NUM_EXPRESSIONS]], dim=-1)
    return normalise(official_angles(coefficients.rotation), values)


@cache
def jaw_alone() -> Tensor:
    """(52, 12) for models without FLAME's files: jawOpen turns the jaw, and no other value does anything."""
    table = torch.zeros(len(EXPRESSION_NAMES), len(RANGES))
    table[JAW_OPEN, 0] = JAW_OPEN_RAD
    return table


def named_by_flame(flame: FlameModel) -> Tensor:
    """(52, 12) by least squares: the jaw and expressions that move FLAME's landmarks as the named values do."""
    table = flame.named_expression(torch.eye(len(EXPRESSION_NAMES)))
    return torch.cat([table[:, NUM_EXPRESSION : NUM_EXPRESSION + 1], table[:, :NUM_EXPRESSIONS]], dim=-1)
