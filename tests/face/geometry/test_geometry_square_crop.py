"""The square crop that is not turned: official pixels, and a transform that says where they come from."""

import numpy as np
import pytest
import torch

from diffusionact.face.geometry.alignment import transform_points
from diffusionact.face.geometry.square_crop import square_crop


@pytest.mark.parametrize("name", ["inside", "left_top", "right_bottom", "all"])
def test_square_crops_are_the_official_ones(golden_fd, name):
    golden = np.load(golden_fd / "crop.npz")
    image = torch.from_numpy(golden["picture"])
    crop, _ = square_crop(image, torch.from_numpy(golden[f"{name}_landmarks"]), 256)
    difference = (crop.int() - torch.from_numpy(golden[f"{name}_out"]).int()).abs()
    # The blur's sums are rounded in another order than scipy's; PIL spreads that over neighbours.
    assert difference.max() <= 1 and (difference > 0).float().mean() < 1e-3


def test_the_transform_leads_to_the_same_pixels():
    y, x = torch.meshgrid(torch.arange(200), torch.arange(240), indexing="ij")
    image = torch.stack([x, y, x], dim=-1).to(torch.uint8)
    landmarks = torch.rand(68, 2) * torch.tensor([60.0, 80.0]) + torch.tensor([90.0, 60.0])
    crop, transform = square_crop(image, landmarks, 256)
    where = torch.tensor([[[120.0, 90.0], [100.0, 70.0]]])
    inside = transform_points(transform.matrix, where)[0].round().int()
    for (column, row), point in zip(inside.tolist(), where[0], strict=True):
        torch.testing.assert_close(crop[row, column, :2].float(), point, atol=1.0, rtol=0)


def test_a_face_at_the_border_is_cut_whole():
    landmarks = torch.tensor([[0.0, 0.0], [30.0, 40.0]]).repeat(34, 1)
    crop, _ = square_crop(torch.full((50, 40, 3), 77, dtype=torch.uint8), landmarks, 64)
    assert crop.shape == (64, 64, 3) and (crop.int() - 77).abs().max() <= 1
