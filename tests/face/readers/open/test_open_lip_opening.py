"""Expression values agree with the mesh about how far the lips are apart."""

import pytest
import torch
from safetensors.torch import load_file

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.readers.open.expression_directions import load_directions
from diffusionact.face.readers.open.landmarker.geometry import HeadGeometry
from diffusionact.face.readers.open.landmarker.graph import DATA_FOLDER
from diffusionact.face.readers.open.lip_opening import LOWER, UPPER, correct_lip_opening, opening

PX_PER_CM, TURN_RAD = 20.0, 0.4


def values(**named):
    row = torch.zeros(1, 52)
    for name, value in named.items():
        row[0, EXPRESSION_NAMES.index(name)] = value
    return row


def mesh(gap):
    """The canonical face, turned aside, its inner lips `gap` cm apart, in px of an image (1, 478, 3)."""
    points = torch.zeros(478, 3)
    points[:468] = load_file(DATA_FOLDER / "face_geometry.safetensors")["vertices"]
    middle = (points[list(UPPER), 1] + points[list(LOWER), 1]) / 2
    points[list(UPPER), 1], points[list(LOWER), 1] = middle + gap / 2, middle - gap / 2
    cos, sin = torch.tensor(TURN_RAD).cos(), torch.tensor(TURN_RAD).sin()
    turn = torch.tensor([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    return ((points @ turn.T) * torch.tensor([1.0, -1.0, -1.0]) * PX_PER_CM + 200)[None]


def said(expression):
    return float(opening((expression @ load_directions().flatten(1)).reshape(1, 478, 3)))


@pytest.mark.parametrize(
    ("gap", "expression"),
    [
        (0.5, values(mouthPucker=0.6)),  # an "oh", which the net reports as a pucker alone
        (1.5, values(jawOpen=0.1)),
        (0.3, values(jawOpen=0.4)),  # and what it takes for an open mouth
    ],
)
def test_corrected_values_open_the_lips_as_far_as_the_mesh(gap, expression):
    corrected = correct_lip_opening(expression, mesh(gap), HeadGeometry())
    assert said(corrected) == pytest.approx(gap, abs=0.06)
    assert abs(said(expression) - gap) > 0.3


def test_a_shut_mouth_keeps_its_values():
    expression = values(mouthSmileLeft=0.8, mouthSmileRight=0.8, mouthPressLeft=0.3, mouthPressRight=0.3)
    corrected = correct_lip_opening(expression, mesh(0.02), HeadGeometry())
    assert torch.allclose(corrected, expression, atol=0.02)
