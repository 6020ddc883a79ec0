"""Named expression values on FLAME: a head that can do what the open face model does moves as that does."""

import pytest
import torch

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.readers.emoca.flame import (
    NUM_CONTOUR,
    NUM_CONTOUR_ROWS,
    NUM_EXPRESSION,
    NUM_JOINTS,
    NUM_SHAPE,
    FlameModel,
    FlameTensors,
)
from diffusionact.face.readers.emoca.named_expression import JAW_SIGMA_RAD
from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.types import FaceCoefficients

NUM_INNER = 51
METRES = 0.07  # of one unit of the open face model


@pytest.fixture(scope="module")
def open_model() -> OpenFaceModel:
    return OpenFaceModel.from_bundled()


@pytest.fixture(scope="module")
def head(open_model) -> FlameModel:
    """Each inner landmark has a triangle of its own, moved by the open model's first 50 named values."""
    count = 3 * NUM_INNER
    template = METRES * open_model.mean[17:].repeat_interleave(3, 0)
    directions = METRES * open_model.expression_basis[:NUM_EXPRESSION, 17:].repeat_interleave(3, 1)
    corners = torch.arange(count).view(NUM_INNER, 3)
    weights = torch.zeros(count, NUM_JOINTS)
    weights[:, 0] = 1.0
    contour = corners[:NUM_CONTOUR].expand(NUM_CONTOUR_ROWS, NUM_CONTOUR, 3)
    return FlameModel(
        FlameTensors(
            template=template,
            shape_directions=torch.zeros(count, 3, NUM_SHAPE),
            expression_directions=directions.permute(1, 2, 0),
            pose_directions=torch.zeros(36, 3 * count),
            joint_regressor=torch.full((NUM_JOINTS, count), 1 / count),
            skinning_weights=weights,
            parents=torch.tensor([-1, 0, 1, 1, 1]),
            contour_vertices=contour,
            contour_weights=torch.full(contour.shape, 1 / 3),
            inner_vertices=corners,
            inner_weights=torch.full((NUM_INNER, 3), 1 / 3),
        )
    )


def points_of(head: FlameModel, expression: torch.Tensor) -> torch.Tensor:
    still = torch.zeros(len(expression), 3)
    return head.points(FaceCoefficients(torch.zeros(len(expression), NUM_SHAPE), expression, still, still, head.name))[
        :, 17:
    ]


@pytest.mark.parametrize("name", ["jawOpen", "mouthSmileLeft", "browInnerUp", "mouthPucker"])
def test_a_named_value_moves_the_landmarks_as_in_the_open_model(head, open_model, name):
    index = EXPRESSION_NAMES.index(name)
    change = torch.zeros(1, len(EXPRESSION_NAMES))
    change[0, index] = 1.0
    moved = (points_of(head, head.named_expression(change)) - points_of(head, torch.zeros(1, 53)))[0]
    wanted = METRES * open_model.expression_basis[index, 17:]
    assert (moved - wanted).norm() < 0.25 * wanted.norm()


def test_named_expression_is_linear_and_zero_at_no_change(head):
    change = torch.rand(2, 52)
    assert head.named_expression(0 * change).abs().max() == 0
    torch.testing.assert_close(head.named_expression(2 * change), 2 * head.named_expression(change))


def test_expressions_stay_moderate(head):
    table = head.named_expression(torch.eye(52))
    assert table.shape == (52, 53) and table[:, :50].abs().max() < 3 and table[:, 50:].abs().max() < 3 * JAW_SIGMA_RAD


def test_the_jaw_is_told_from_the_rest(head):
    expression = torch.zeros(2, 53)
    expression[1, 50] = 0.3
    assert head.jaw_open(expression).tolist() == pytest.approx([0.0, 0.3])


def test_rotations_come_back_from_head_poses(head):
    pose = torch.tensor([[20.0, -10.0, 5.0]])
    torch.testing.assert_close(head.head_pose(head.rotation(pose)), pose, atol=1e-3, rtol=0)
