"""Pasting back: the unaltered crop changes nothing, only the face's place is touched, colours can follow."""

import math

import pytest
import torch

from diffusionact import images
from diffusionact.face.geometry.alignment import align_face
from diffusionact.face.paste_back import match_colours, paste_back, rounded_mask
from diffusionact.types import CropTransform


def smooth_image(height: int, width: int) -> torch.Tensor:
    """uint8 (H, W, 3) waves of some 40 px length."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = [torch.sin(x / 7) * torch.cos(y / 9), torch.sin((x + y) / 8), torch.cos(x / 6 - y / 11)]
    return (torch.stack(waves, dim=-1) * 100 + 128).round().to(torch.uint8)


def crop_at(scale: float, angle_deg: float, centre: tuple[float, float], size: int) -> CropTransform:
    """Crop whose middle shows `centre` of the full image, `scale` crop px a full-image px."""
    angle = math.radians(angle_deg)
    linear = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]) * scale
    shift = torch.tensor([size / 2, size / 2]) - linear @ torch.tensor(centre)
    return CropTransform(torch.cat([linear, shift[:, None]], dim=1)[None], size)


def cut(image: torch.Tensor, crop: CropTransform) -> torch.Tensor:
    """The crop's pixels (1, 3, S, S), by kornia's warp."""
    from kornia.geometry import warp_affine

    return warp_affine(images.uint8_to_model(image[None]), crop.matrix, (crop.size,) * 2, align_corners=True)


@pytest.mark.parametrize(("scale", "angle"), [(1.0, 0.0), (1.0, 20.0), (2.0, -35.0)])
def test_crop_then_paste_back_returns_the_original_pixels(scale, angle):
    image = smooth_image(200, 260)
    crop = crop_at(scale, angle, (120.0, 100.0), 128)
    pasted = paste_back(image, cut(image, crop), crop)[0]
    assert (pasted.int() - image.int()).abs().max() <= 2


def test_a_real_face_survives_alignment_and_paste_back(portrait):
    landmarks = torch.zeros(68, 2)
    landmarks[36:42], landmarks[42:48] = torch.tensor([110.0, 110.0]), torch.tensor([150.0, 108.0])
    landmarks[48], landmarks[54] = torch.tensor([115.0, 155.0]), torch.tensor([148.0, 154.0])
    aligned, crop = align_face(portrait, landmarks)
    pasted = paste_back(portrait, images.uint8_to_model(aligned[None]), crop)[0]
    assert (pasted.int() - portrait.int()).abs().float().mean() < 2.0


def test_pixels_away_from_the_crop_are_untouched_bytes():
    image = smooth_image(150, 200)
    crop = crop_at(1.0, 0.0, (150.0, 75.0), 64)
    pasted = paste_back(image, torch.ones(1, 3, 64, 64), crop)[0]
    assert torch.equal(pasted[:, :115], image[:, :115])
    assert (pasted[75, 150] == 255).all()


def test_a_crop_leaving_the_image_is_clipped_one_beside_it_does_nothing():
    image = smooth_image(100, 100)
    crops = torch.ones(1, 3, 64, 64)
    assert paste_back(image, crops, crop_at(1.0, 10.0, (2.0, 98.0), 64)).shape == (1, 100, 100, 3)
    assert torch.equal(paste_back(image, crops, crop_at(1.0, 0.0, (900.0, 50.0), 64))[0], image)


def test_a_shrunk_crop_is_antialiased():
    stripes = torch.ones(1, 3, 128, 128)
    stripes[..., ::2] = -1
    pasted = paste_back(torch.full((80, 80, 3), 127, dtype=torch.uint8), stripes, crop_at(4.0, 0.0, (40.0, 40.0), 128))
    assert (pasted.float() - 127.5).abs().max() < 10


def test_crops_of_another_size_than_the_transform_fit_the_same_place():
    image = smooth_image(120, 120)
    crop = crop_at(1.0, 0.0, (60.0, 60.0), 64)
    small = images.resize(cut(image, crop), 32)
    assert (paste_back(image, small, crop)[0].int() - image.int()).abs().float().mean() < 6


def test_frames_are_pasted_one_by_one():
    image = smooth_image(90, 90)
    crop = crop_at(1.3, 15.0, (45.0, 45.0), 48)
    crops = torch.rand(3, 3, 48, 48) * 2 - 1
    singles = [paste_back(image, crops[row : row + 1], crop) for row in range(3)]
    assert torch.equal(paste_back(image, crops, crop), torch.cat(singles))


def test_mask_is_one_inside_zero_at_the_edge_and_symmetric():
    mask = rounded_mask(64, 0.1, torch.device("cpu"))[0, 0]
    assert mask[32, 32] == 1 and mask[0].max() < 0.01 and mask[4, 4] == 0 and mask[32, 10] == 1
    assert torch.allclose(mask, mask.flip(0)) and torch.allclose(mask, mask.T)


def test_given_mask_restricts_the_paste():
    image = smooth_image(90, 90)
    nothing = torch.zeros(1, 1, 48, 48)
    pasted = paste_back(image, torch.ones(1, 3, 48, 48), crop_at(1.0, 0.0, (45.0, 45.0), 48), mask=nothing)
    assert torch.equal(pasted[0], image)


def test_colours_follow_the_original():
    original = images.uint8_to_model(smooth_image(64, 64)[None]) * 0.4
    darker = original * 0.5 - 0.3
    matched = match_colours(darker, original, torch.ones(1, 1, 64, 64))
    assert (matched.mean((2, 3)) - original.mean((2, 3))).abs().max() < 0.05
    assert (darker.mean((2, 3)) - original.mean((2, 3))).abs().max() > 0.2


def test_mismatched_clips_are_rejected():
    with pytest.raises(ValueError, match="matching clips"):
        paste_back(
            smooth_image(40, 40)[None].expand(2, -1, -1, -1),
            torch.zeros(3, 3, 16, 16),
            crop_at(1.0, 0.0, (20.0, 20.0), 16),
        )
