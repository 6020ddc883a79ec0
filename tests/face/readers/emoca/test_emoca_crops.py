"""The crop of EMOCA's encoders and the ranges that the official networks were fed with."""

import pytest
import torch
from official_rule import image_input

from diffusionact.face.geometry.crop_frame import crop_frame_transform
from diffusionact.face.readers.emoca.crops import crop_for_encoders
from diffusionact.face.readers.emoca.ranges import to_official_levels, to_truncated_bytes


@pytest.mark.parametrize("name", ["crop_a", "crop_b"])
def test_crops_agree_with_the_official_code(golden_of, compare, name):
    golden = golden_of("emoca")
    image = image_input("input/emoca_image", (1, 3, 256, 256))
    crop = crop_for_encoders(image, torch.from_numpy(golden[f"{name}_landmarks"])[None])
    compare(f"EMOCA {name}", crop[..., ::4, ::4], golden[f"{name}_s4"], 1e-3)


def test_crop_pixels_lie_where_the_crop_frame_says():
    landmarks = torch.rand(2, 68, 2) * torch.tensor([120.0, 140.0]) + torch.tensor([60.0, 50.0])
    x = torch.linspace(-1, 1, 256).expand(2, 1, 256, 256)
    y = x.transpose(2, 3)
    crop = crop_for_encoders(torch.cat([x, y, x], dim=1), landmarks)
    matrix = crop_frame_transform(landmarks).matrix
    place = (torch.tensor([100.0, 60.0]) - matrix[:, :, 2]) / matrix[:, 0, :1]  # of crop pixel (100, 60)
    assert torch.allclose(crop[:, :2, 60, 100] * 255, place, atol=0.01)


def test_outside_the_image_the_crop_is_black():
    landmarks = torch.rand(1, 68, 2) * 100 - 80
    assert crop_for_encoders(torch.ones(1, 3, 256, 256), landmarks)[0, :, 0, 0].tolist() == [0, 0, 0]


def test_gradients_reach_the_image():
    image = torch.zeros(1, 3, 256, 256, requires_grad=True)
    crop_for_encoders(image, torch.rand(1, 68, 2) * 150 + 50).sum().backward()
    assert image.grad.abs().sum() > 0


def test_white_is_a_little_less_than_255():
    levels = to_official_levels(torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]))
    expected = torch.tensor([0.0, 0.0, 127.499363, 254.998725, 254.998725])
    assert torch.allclose(levels, expected, atol=1e-4)


def test_of_the_levels_of_a_file_1_to_63_come_back_one_lower():
    levels = torch.arange(256, dtype=torch.uint8)
    unit = levels.float() / 255
    back = to_truncated_bytes((unit - 0.5) / 0.5).long()
    expected = torch.arange(256) - ((levels >= 1) & (levels <= 63)).long()
    assert torch.equal(back, expected)
