"""Points and affine maps between two sizes of one image."""

import pytest
import torch
import torch.nn.functional as F

from diffusionact.face.geometry.alignment import invert_transform, transform_points
from diffusionact.face.geometry.resize import resize_crop, resize_points, resize_transform
from diffusionact.types import CropTransform

POINTS = torch.tensor([[[0.0, 0.0], [3.25, -1.0], [40.0, 17.5]]])


def test_outer_edges_stay_on_outer_edges():
    edges = torch.tensor([[-0.5, -0.5], [59.5, 79.5]])
    expected = torch.tensor([[-0.5, -0.5], [29.5, 19.5]])
    torch.testing.assert_close(resize_points(edges, (80, 60), (20, 30)), expected)


def test_transform_and_points_agree_for_squares_and_oblongs():
    for sizes in ((64, 256), ((80, 60), (20, 30)), ((80, 60), 128)):
        matrix = resize_transform(*sizes)
        torch.testing.assert_close(transform_points(matrix, POINTS), resize_points(POINTS, *sizes))


def test_there_and_back_returns_the_points():
    there = resize_points(POINTS, (80, 60), (33, 47))
    torch.testing.assert_close(resize_points(there, (33, 47), (80, 60)), POINTS)
    back = invert_transform(resize_transform((80, 60), (33, 47)))
    torch.testing.assert_close(back, resize_transform((33, 47), (80, 60)))


def test_a_square_is_the_same_as_two_equal_sides():
    assert torch.equal(resize_transform(64, 96), resize_transform((64, 64), (96, 96)))


def test_a_bright_pixel_moves_where_interpolation_moves_it():
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, 5, 2] = 1.0
    large = F.interpolate(image, scale_factor=4, mode="nearest")[0, 0]
    rows, columns = large.nonzero().float().mean(0)
    torch.testing.assert_close(resize_points(torch.tensor([2.0, 5.0]), 8, 32), torch.stack([columns, rows]))


def test_gradients_reach_the_points():
    points = POINTS.clone().requires_grad_(True)
    resize_points(points, 10, 25).sum().backward()
    assert torch.equal(points.grad, torch.full_like(points, 2.5))


def test_a_size_of_nothing_is_rejected():
    with pytest.raises(ValueError, match="above 0 px"):
        resize_transform((0, 4), 8)


def test_a_resized_crop_shows_the_same_square():
    crop = CropTransform(torch.tensor([[[0.5, 0.1, -3.0], [-0.1, 0.5, 7.0]]]), 64)
    resized = resize_crop(crop, 256)
    assert resized.size == 256
    expected = resize_points(transform_points(crop.matrix, POINTS), 64, 256)
    torch.testing.assert_close(transform_points(resized.matrix, POINTS), expected)
