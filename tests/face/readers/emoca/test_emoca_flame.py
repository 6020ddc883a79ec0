"""FLAME on a synthetic head: the official landmarks and contour rows, head angles, recombination, gradients."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from official_head import TINY_GRID, embedding_arrays, head_arrays

from diffusionact.conversion.flame_head import flame_from_files
from diffusionact.face.geometry.rotations import axis_angle_to_matrix, head_pose_to_matrix, matrix_to_axis_angle
from diffusionact.face.pose.retargeting import recombine
from diffusionact.face.readers.emoca.flame import FlameModel, contour_row, official_angles
from diffusionact.types import FaceCoefficients, map_tensors


@pytest.fixture(scope="module")
def golden(golden_of) -> Mapping[str, np.ndarray]:
    return golden_of("flame")


@pytest.fixture(scope="module")
def golden_head(golden_of) -> FlameModel:
    asset = golden_of("flame_asset")
    return FlameModel.from_state(flame_from_files(asset, asset))


@pytest.fixture(scope="module")
def golden_coefficients(golden) -> FaceCoefficients:
    arrays = {name: torch.from_numpy(golden[name]) for name in ("shape", "exp", "pose", "cam")}
    expression = torch.cat([arrays["exp"], arrays["pose"][:, 3:]], dim=1)
    return FaceCoefficients(arrays["shape"], expression, arrays["pose"][:, :3], arrays["cam"], "flame")


@pytest.fixture(scope="module")
def head() -> FlameModel:
    """A made-up head of the size of a real one."""
    return FlameModel.from_state(flame_from_files(head_arrays(TINY_GRID), embedding_arrays(TINY_GRID)))


def some_coefficients(batch: int = 3, seed: int = 0) -> FaceCoefficients:
    generator = torch.Generator().manual_seed(seed)
    shape, expression = (torch.randn(batch, count, generator=generator) for count in (100, 53))
    rotation = 0.3 * torch.randn(batch, 3, generator=generator)
    expression[:, 50:] *= 0.1
    return FaceCoefficients(shape, expression, rotation, torch.tensor([[8.0, 0.01, -0.02]]).repeat(batch, 1), "flame")


def test_mesh_and_landmarks_agree_with_the_official_code(golden_head, golden_coefficients, golden, compare):
    compare("FLAME mesh, m", golden_head.vertices(golden_coefficients)[:, ::5], golden["verts_s5"], 1e-6)
    points = golden_head.points(golden_coefficients)
    compare("FLAME landmarks, m", points, golden["landmarks2d_model"], 1e-6)
    landmarks = golden_head.landmarks(golden_coefficients, 224)
    compare("FLAME landmarks, px", landmarks, golden["landmarks2d_image224"], 1e-3)


def test_contour_rows_are_exactly_the_official_ones(golden_coefficients, golden, compare):
    rows = contour_row(axis_angle_to_matrix(golden_coefficients.rotation))
    compare("FLAME contour rows", rows, golden["dynamic_row"], 0)


def test_equation_8_agrees_with_the_official_code(golden_head, golden_coefficients, golden, compare):
    source = replace(golden_coefficients, shape=golden_coefficients.shape[:1])
    landmarks = golden_head.landmarks(recombine(golden_head, source, golden_coefficients), 224)
    compare("Eq. 8 landmarks, px", landmarks, golden["eq8_landmarks2d_image224"], 1e-3)


def test_angles_agree_with_the_official_code(golden_of, compare):
    emoca = golden_of("emoca")
    compare("head angles, deg", official_angles(torch.from_numpy(emoca["axis_angle"])), emoca["euler_deg"], 1e-3)


@pytest.mark.parametrize(
    ("yaw_deg", "row"),
    [(0, 0), (0.4, 0), (10.4, 10), (39.4, 39), (70, 39), (-0.6, 40), (-12, 51), (-39.2, 78), (-80, 78)],
)
def test_the_contour_follows_the_yaw_in_whole_degrees(yaw_deg, row):
    rotation = head_pose_to_matrix(torch.tensor([[yaw_deg, 0.0, 0.0]]))
    assert contour_row(rotation).tolist() == [row]


def test_head_pose_has_our_signs_and_comes_back(head):
    pose = torch.tensor([[25.0, -10.0, 5.0], [-40.0, 20.0, 0.0]])
    rotation = matrix_to_axis_angle(head_pose_to_matrix(pose))
    assert torch.allclose(head.head_pose(rotation), pose, atol=1e-3)
    yaw, pitch, roll = official_angles(matrix_to_axis_angle(head_pose_to_matrix(torch.tensor([[25.0, 0, 0]]))))[0]
    assert torch.allclose(torch.stack([yaw, pitch, roll]), torch.tensor([-25.0, 0, 0]), atol=1e-3)


def test_a_turned_head_looks_to_the_right_of_the_image(head):
    still = replace(some_coefficients(1), rotation=torch.zeros(1, 3))
    turned = replace(still, rotation=torch.tensor([[0.0, 0.5, 0.0]]))
    nose = head.landmarks(turned, 224)[0, 30] - head.landmarks(still, 224)[0, 30]
    assert nose[0] > 5
    assert head.head_pose(turned.rotation)[0, 0] > 25


def test_official_angles_stay_finite_where_the_official_code_fails():
    rotation = matrix_to_axis_angle(head_pose_to_matrix(torch.tensor([[-90.0, 0, 0], [-89.99, 0, 0]])))
    angles = official_angles(rotation)
    assert torch.isfinite(angles).all() and torch.allclose(angles[:, 0], torch.tensor(90.0), atol=0.1)


def test_a_batch_gives_the_landmarks_of_its_single_rows(head):
    coefficients = some_coefficients()
    together = head.landmarks(coefficients, 224)
    rows = [map_tensors(coefficients, lambda tensor, i=i: tensor[i : i + 1]) for i in range(3)]
    assert torch.allclose(together, torch.cat([head.landmarks(row, 224) for row in rows]), atol=1e-4)


def test_a_crop_of_twice_the_size_has_twice_the_numbers(head):
    coefficients = some_coefficients()
    assert torch.allclose(2 * head.landmarks(coefficients, 112), head.landmarks(coefficients, 224), atol=1e-4)


def test_gradients_reach_every_coefficient(head):
    coefficients = some_coefficients()
    leaves = [value.requires_grad_() for value in vars(coefficients).values() if isinstance(value, torch.Tensor)]
    head.landmarks(coefficients, 224).square().mean().backward()
    for leaf in leaves:
        assert torch.isfinite(leaf.grad).all() and (leaf.grad.abs().sum(0) > 0).all()


def test_gradients_are_those_of_finite_differences(head):
    double = FlameModel.from_state(head.state_dict()).double()
    at_rest = torch.zeros(1, 3, dtype=torch.float64)

    def landmarks(jaw, rotation):
        expression = torch.cat([torch.zeros(1, 50, dtype=torch.float64), jaw], dim=1)
        camera = torch.tensor([[8.0, 0, 0]], dtype=torch.float64)
        shape = torch.zeros(1, 100, dtype=torch.float64)
        return double.landmarks(FaceCoefficients(shape, expression, rotation, camera, "flame"), 224)

    jaw, rotation = (at_rest + 0.2).requires_grad_(), (at_rest + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(landmarks, (jaw, rotation), atol=1e-3)


def test_a_head_of_mixed_parts_is_rejected(head):
    state = dict(head.state_dict())
    with pytest.raises(ValueError, match=r"Expected skinning_weights of a FLAME head with \d+ vertices as"):
        FlameModel.from_state(state | {"skinning_weights": torch.rand(7, 5)})
    with pytest.raises(ValueError, match="belongs to another mesh"):
        FlameModel.from_state(state | {"inner_vertices": state["inner_vertices"] + 10_000})
