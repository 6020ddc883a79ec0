"""The open face model: geometry, signs, and how well a fit finds what made the landmarks."""

import pytest
import torch

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.geometry.projection import project, unproject
from diffusionact.face.geometry.rotations import (
    axis_angle_to_matrix,
    head_pose_to_matrix,
    matrix_to_axis_angle,
    matrix_to_head_pose,
)
from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.types import FaceCoefficients

SIZE = 256


@pytest.fixture(scope="module")
def model() -> OpenFaceModel:
    return OpenFaceModel.from_bundled()


def neutral(model: OpenFaceModel, count: int = 1) -> FaceCoefficients:
    camera = torch.tensor([[0.42, 0.02, -0.05]]).expand(count, -1)
    return FaceCoefficients(
        torch.zeros(count, model.num_identity), torch.zeros(count, 52), torch.zeros(count, 3), camera, model.name
    )


def people(model: OpenFaceModel, count: int, seed: int = 0) -> tuple[FaceCoefficients, torch.Tensor]:
    """Random people in random poses and their head poses (count, 3) in degrees."""
    generator = torch.Generator().manual_seed(seed)
    head_pose = torch.randn(count, 3, generator=generator) * torch.tensor([12.0, 6.0, 4.0])
    expression = torch.rand(count, 52, generator=generator) * (torch.rand(count, 52, generator=generator) < 0.15)
    shape = torch.randn(count, model.num_identity, generator=generator)
    rotation = matrix_to_axis_angle(head_pose_to_matrix(head_pose))
    return FaceCoefficients(shape, expression, rotation, neutral(model, count).camera, model.name), head_pose


def tracked(model: OpenFaceModel, faces: FaceCoefficients, noise_px: float = 0.0) -> torch.Tensor:
    """Landmarks where the mesh would have them."""
    points = (model.points(faces) + model.observation_offset) @ axis_angle_to_matrix(faces.rotation).transpose(1, 2)
    seen = project(points, faces.camera, SIZE)
    return seen + noise_px * torch.randn(seen.shape, generator=torch.Generator().manual_seed(1))


def test_mean_face_is_upright_with_its_right_at_the_images_left(model):
    landmarks = model.landmarks(neutral(model), SIZE)[0]
    assert landmarks[36, 0] < landmarks[30, 0] < landmarks[45, 0]
    assert landmarks[19, 1] < landmarks[37, 1] < landmarks[33, 1] < landmarks[57, 1] < landmarks[8, 1]
    assert model.mean[30, 2] > model.mean[[0, 16], 2].max()  # the nose is nearer than the ears


@pytest.mark.parametrize(
    ("name", "points", "axis", "sign"),
    [("jawOpen", [57, 8], 1, 1), ("eyeBlinkRight", [37, 38], 1, 1), ("browInnerUp", [21, 22], 1, -1),
     ("mouthSmileLeft", [54], 0, 1), ("mouthSmileRight", [48], 0, -1)],
)  # fmt: skip
def test_expressions_move_the_right_points_the_right_way(model, name, points, axis, sign):
    faces = neutral(model)
    rest = model.landmarks(faces, SIZE)[0]
    faces.expression[0, EXPRESSION_NAMES.index(name)] = 1.0
    moved = model.landmarks(faces, SIZE)[0] - rest
    assert (sign * moved[points, axis] > 1.0).all()


def test_neutral_expression_value_moves_nothing(model):
    assert torch.equal(model.expression_basis[0], torch.zeros(68, 3))


def test_camera_follows_the_convention():
    points = torch.tensor([[[0.0, 0.0, 5.0], [1.0, 0.5, -3.0]]])
    placed = project(points, torch.tensor([[0.5, 0.1, -0.2]]), 200)
    expected = torch.tensor([[[100 * (1 + 0.5 * 0.1), 100 * (1 + 0.5 * 0.2)], [155.0, 85.0]]])
    assert torch.allclose(placed, expected, atol=1e-4)
    assert torch.allclose(unproject(placed, 200)[0, 1], torch.tensor([0.55, 0.15]), atol=1e-6)


def test_positive_yaw_moves_the_nose_to_the_images_right(model):
    faces = neutral(model)
    rest = model.landmarks(faces, SIZE)[0, 30, 0]
    faces.rotation[0] = matrix_to_axis_angle(head_pose_to_matrix(torch.tensor([[20.0, 0, 0]])))[0]
    assert model.landmarks(faces, SIZE)[0, 30, 0] > rest + 5


def test_fit_explains_the_landmarks_and_finds_the_pose(model):
    faces, head_pose = people(model, 40)
    fitted = model.fit(tracked(model, faces, 1.0), faces.expression, head_pose + 2.0, SIZE)
    assert (model.landmarks(fitted, SIZE) - model.landmarks(faces, SIZE)).norm(dim=-1).mean() < 1.0
    angles = matrix_to_head_pose(axis_angle_to_matrix(fitted.rotation))
    assert (angles - head_pose).abs().mean() < 1.5
    assert torch.equal(fitted.expression, faces.expression)


def test_a_face_unlike_the_model_keeps_the_head_pose_of_the_mesh(model):
    faces, head_pose = people(model, 40)
    fitted = model.fit(tracked(model, faces, 4.0), faces.expression, head_pose, SIZE)
    angles = matrix_to_head_pose(axis_angle_to_matrix(fitted.rotation))
    assert (angles - head_pose).abs().mean() < 0.8


def test_known_shape_leaves_pose_only(model):
    faces, head_pose = people(model, 8)
    fitted = model.fit_pose(tracked(model, faces), faces.shape, faces.expression, head_pose + 1.0, SIZE)
    assert torch.equal(fitted.shape, faces.shape)
    assert (model.landmarks(fitted, SIZE) - model.landmarks(faces, SIZE)).norm(dim=-1).max() < 0.6
    assert torch.allclose(fitted.camera, faces.camera, atol=2e-3)


def test_rows_are_fitted_independently(model):
    faces, head_pose = people(model, 3)
    seen = tracked(model, faces, 1.0)
    together = model.fit(seen, faces.expression, head_pose, SIZE)
    alone = model.fit(seen[1:2], faces.expression[1:2], head_pose[1:2], SIZE)
    assert torch.allclose(together.shape[1:2], alone.shape, atol=1e-3)
    assert torch.allclose(together.camera[1:2], alone.camera, atol=1e-4)
