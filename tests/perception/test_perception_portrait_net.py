"""The network that reads portraits: shapes, gradients, images of other sizes, files, and what is cut out."""

import pytest
import torch
from tiny_portrait import TINY_PORTRAIT_NET, made_up_face, tiny_portrait_net

from diffusionact.perception.open_perception import read_portrait_net
from diffusionact.perception.portrait_crops import (
    cut_squares,
    eye_squares,
    face_squares,
    mouth_squares,
    points_in_squares,
)
from diffusionact.perception.portrait_features import style_of
from diffusionact.perception.portrait_net import PortraitNet


@pytest.fixture
def network():
    return tiny_portrait_net()


def images(size: int = 32, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_every_head_has_its_shape_and_range(network):
    reading = network(images())
    assert reading.landmarks.shape == (2, 68, 2)
    assert reading.head_pose.shape == (2, 3)
    assert reading.gaze.shape == (2, 2)
    assert reading.expression.shape == (2, 52)
    assert reading.parsing.shape == (2, 3, 32, 32)
    assert [tuple(layer.shape[2:]) for layer in reading.maps] == [(16, 16), (8, 8), (4, 4), (2, 2)]
    assert reading.landmarks[:, :36].min() >= 0 and reading.landmarks[:, :36].max() <= 31
    torch.testing.assert_close(reading.identity.norm(dim=-1), torch.ones(2))


def test_a_batch_reads_as_its_images_alone(network):
    together = network(images(count=3))
    alone = network(images(count=3)[1:2])
    for name in ("landmarks", "head_pose", "gaze", "expression", "identity", "parsing"):
        torch.testing.assert_close(getattr(together, name)[1:2], getattr(alone, name), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", ["landmarks", "head_pose", "gaze", "expression", "identity", "parsing"])
def test_every_head_has_a_gradient_in_the_image(network, name):
    image = images().requires_grad_(True)
    value = getattr(network(image), name)
    (value * torch.randn(value.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    assert image.grad.isfinite().all()
    assert image.grad.abs().sum() > 0


def test_training_reaches_every_parameter(network):
    network.train().requires_grad_(True)
    reading = network(images(count=4))
    values = [getattr(reading, n) for n in ("landmarks", "head_pose", "gaze", "expression", "identity", "parsing")]
    sum((value * torch.randn_like(value)).sum() for value in values).backward()
    assert not [name for name, parameter in network.named_parameters() if not parameter.grad.abs().sum() > 0]


def test_larger_images_are_resized_and_landmarks_come_back_in_their_pixels(network):
    small = images()
    large = torch.nn.functional.interpolate(small, scale_factor=2.0, mode="nearest")  # shrinks to the same pixels
    read_small, read_large = network(network.resize(large)), network(large)
    torch.testing.assert_close((read_large.landmarks + 0.5) / 2 - 0.5, read_small.landmarks, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(read_large.head_pose, read_small.head_pose)
    assert read_large.parsing.shape == (2, 3, 64, 64)


def test_a_closer_look_moves_landmarks_of_eyes_and_mouth_only(network):
    square = network.resize(images())
    stages, fused = network.look(square)
    first = network.find_landmarks(fused)
    closer = network.read(square, stages, fused, first, first).landmarks
    assert torch.equal(closer[:, :36], first[:, :36])
    assert (closer[:, 36:] - first[:, 36:]).abs().amin(dim=(1, 2)).gt(0).all()


def test_a_network_without_a_branch_for_the_mouth_reads_too():
    reading = PortraitNet(**{**TINY_PORTRAIT_NET, "mouth_width": 0}).eval()(images())
    assert reading.landmarks.shape == (2, 68, 2)


def test_a_saved_network_reads_the_same(network, tmp_path):
    network.save_pretrained(tmp_path)
    again = read_portrait_net(tmp_path)
    first, second = network(images()), again(images())
    torch.testing.assert_close(first.landmarks, second.landmarks)
    torch.testing.assert_close(first.identity, second.identity)
    assert not again.training and not any(parameter.requires_grad for parameter in again.parameters())


def test_a_folder_without_a_network_says_how_to_get_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="train.portrait"):
        read_portrait_net(tmp_path)


def test_a_size_that_cannot_be_halved_is_rejected():
    with pytest.raises(ValueError, match="multiple of 32"):
        PortraitNet(**{**TINY_PORTRAIT_NET, "sample_size": 40})


def test_half_precision_keeps_places_and_angles_to_a_fraction(network):
    exact = network(images())
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(images())
    assert rough.head_pose.dtype == torch.float32
    assert (rough.landmarks - exact.landmarks).abs().max() < 0.5


def test_a_square_over_the_whole_image_returns_the_image():
    image = images(size=16)
    whole = torch.tensor([[[7.5, 7.5, 16.0]]]).expand(2, 1, 3)
    torch.testing.assert_close(cut_squares(image, whole, 16, 16), image)


def test_squares_show_what_lies_under_them_in_order():
    image = torch.zeros(1, 1, 32, 32)
    image[0, 0, 8:16, 4:12] = 1.0
    image[0, 0, 8:16, 20:28] = 2.0
    squares = torch.tensor([[[7.5, 11.5, 8.0], [23.5, 11.5, 8.0]]])
    crops = cut_squares(image, squares, 32, 4)
    torch.testing.assert_close(crops, torch.tensor([1.0, 2.0])[:, None, None, None].expand(2, 1, 4, 4))


def test_squares_follow_a_face_that_moves_and_grows():
    face = made_up_face(32)
    for squares in (face_squares, eye_squares, mouth_squares):
        before, after = squares(face), squares(2 * face + 3)
        torch.testing.assert_close(after[..., :2], 2 * before[..., :2] + 3)
        torch.testing.assert_close(after[..., 2], 2 * before[..., 2])


def test_places_in_squares_come_back_as_pixels():
    squares = torch.tensor([[[10.0, 20.0, 8.0], [30.0, 40.0, 4.0]]])
    points = points_in_squares(torch.tensor([[[[0.0, 0.5]], [[-0.5, 0.0]]]]), squares)
    torch.testing.assert_close(points, torch.tensor([[[[10.0, 24.0]], [[28.0, 40.0]]]]))


def test_style_does_not_see_where_things_are(network):
    maps = network(images()).maps
    turned = [layer.flip(3) for layer in maps]
    torch.testing.assert_close(style_of(maps), style_of(turned))
