"""The tight crop of the official face model."""

from pathlib import Path

import kornia
import numpy as np
import pytest
import torch
from official_rule import image_input

from diffusionact.face.geometry.alignment import transform_points
from diffusionact.face.geometry.crop_frame import crop_frame_transform


def test_box_centre_and_size_follow_the_rule():
    landmarks = torch.full((1, 68, 2), 100.0)
    landmarks[0, 0], landmarks[0, 1] = torch.tensor([60.0, 80.0]), torch.tensor([160.0, 200.0])
    transform = crop_frame_transform(landmarks)
    side = int(110 * 1.1 * 1.25)
    corners = torch.tensor([[[110 - side / 2, 140 - side / 2], [110 + side / 2, 140 + side / 2]]])
    assert transform.size == 224
    assert torch.allclose(
        transform_points(transform.matrix, corners), torch.tensor([[[0.0, 0], [223, 223]]]), atol=1e-3
    )


@pytest.mark.parametrize("name", ["a", "b"])
def test_crop_agrees_with_the_official_code(golden_dir: Path, name: str):
    golden = np.load(golden_dir / "emoca.npz")
    transform = crop_frame_transform(torch.from_numpy(golden[f"crop_{name}_landmarks"])[None])
    image = (image_input("input/emoca_image", (1, 3, 256, 256)) + 1) / (2 + 1e-5)
    crop = kornia.geometry.warp_affine(image, transform.matrix, (224, 224), align_corners=True)
    assert (crop[:, :, ::4, ::4] - torch.from_numpy(golden[f"crop_{name}_s4"])).abs().max() < 1e-3
