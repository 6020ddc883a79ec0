"""The gaze network: the official warp, input and angles, and gradients."""

import pytest
import torch
from official_rule import image_input

from diffusionact.face.geometry.gaze import pupils_from_gaze
from diffusionact.face.readers.emoca.gaze_net import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    TEMPLATE,
    GazeNet,
    five_points,
    gaze_patches,
    patch_grid,
    template_to_image,
    warp_face,
)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return image_input("input/gaze_image", (2, 3, 256, 256))


def face_at(points: torch.Tensor) -> torch.Tensor:
    """(1, 68, 2) with the five points (5, 2); the other points do not matter."""
    landmarks = torch.zeros(1, 68, 2)
    landmarks[0, 36:42], landmarks[0, 42:48] = points[0], points[1]
    landmarks[0, [30, 48, 54]] = points[2:]
    return landmarks


def test_the_warp_agrees_with_the_official_code(golden_of, compare, images):
    golden = golden_of("gaze")
    landmarks = torch.from_numpy(golden["landmarks_fan"])
    compare("gaze warp matrix", patch_grid(landmarks, 256), golden["affine"], 1e-5)
    compare("gaze warp", warp_face(images, landmarks)[..., ::4, ::4], golden["warped_s4"], 1e-3)
    compare("gaze network input", gaze_patches(images, landmarks)[..., ::4, ::4], golden["net_input_s4"], 1e-3)


def test_angles_agree_with_the_official_network(official_network, golden_of, compare, images):
    golden, network = golden_of("gaze"), official_network("gaze_net")
    gaze = network.gaze(images, torch.from_numpy(golden["landmarks_fan"]))
    compare("gaze pitch and yaw, rad", gaze, golden["net_pitch_yaw"], 1e-5)


def test_gaze_points_agree_with_the_official_code(golden_of, compare):
    golden = golden_of("gaze")
    pupils = pupils_from_gaze(torch.from_numpy(golden["landmarks_3dmm"]), torch.from_numpy(golden["pitch_yaw"]))
    compare("gaze points of 36 to 41, px", pupils[:, 0], golden["left"], 1e-4)
    compare("gaze points of 42 to 47, px", pupils[:, 1], golden["right"], 1e-4)


def test_a_turned_and_scaled_template_is_found_again():
    angle, scale = torch.tensor(0.4), 1.7
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])]) * scale
    landmarks = face_at(torch.tensor(TEMPLATE) @ turn.T + torch.tensor([12.0, -7.0]))
    matrix = template_to_image(landmarks)[0]
    assert torch.allclose(matrix, torch.cat([turn, torch.tensor([[12.0], [-7.0]])], dim=1), atol=1e-4)
    assert torch.allclose(five_points(landmarks)[0, 2], landmarks[0, 30])


def test_a_noisy_face_gets_the_similarity_of_an_independent_implementation():
    transform = pytest.importorskip("skimage.transform", reason="scikit-image (dev extra) is absent")
    torch.manual_seed(0)
    points = torch.tensor(TEMPLATE) * 1.5 + 20 * torch.randn(5, 2) + 30
    similarity = transform.SimilarityTransform.from_estimate(torch.tensor(TEMPLATE).numpy(), points.numpy())
    expected = torch.from_numpy(similarity.params[:2]).float()
    assert torch.allclose(template_to_image(face_at(points))[0], expected, atol=1e-3)


def test_beyond_the_image_is_mid_grey():
    patch = gaze_patches(torch.ones(1, 3, 256, 256), face_at(torch.tensor(TEMPLATE) - 5000))
    grey = (0.5 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    assert torch.allclose(patch, grey[None, :, None, None].expand_as(patch), atol=1e-6)


def test_gradients_reach_image_landmarks_and_every_weight(images):
    torch.manual_seed(0)
    network = GazeNet(width=4).eval()
    image = images[:1].clone().requires_grad_()
    landmarks = face_at(torch.tensor(TEMPLATE) * 1.5 + 40).requires_grad_()
    network.gaze(image, landmarks).square().sum().backward()
    assert image.grad.abs().sum() > 0 and landmarks.grad.abs().sum() > 0
    assert all(weight.grad is not None for weight in network.parameters())
