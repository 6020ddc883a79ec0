"""Pasting faces over full images, by masks of either kind and at other sizes."""

import pytest
import torch

from diffusionact.face.pose.extraction import LandmarkFrame
from diffusionact.types import CropTransform, FaceCoefficients, SourceCodes


@pytest.fixture
def source(node_module):
    """A grey image of 60 x 80 px whose face is the square of 40 px at (20, 10)."""
    crop = CropTransform(torch.tensor([[[0.8, 0.0, 0.8 * -20.5 + 0.3], [0.0, 0.8, 0.8 * -10.5 + 0.3]]]), 32)
    coefficients = FaceCoefficients(*(torch.zeros(1, 3) for _ in range(4)), "open")
    image = torch.zeros(1, 3, 32, 32)
    codes = SourceCodes(
        image,
        crop,
        coefficients,
        crop,
        torch.zeros(1, 2),
        {"semantic_code": torch.zeros(1, 8), "stochastic_code": image},
    )
    image = torch.full((60, 80, 3), 100, dtype=torch.uint8)
    return node_module("comfy.values").Source(codes, image, "model", LandmarkFrame("aligned", 32))


@pytest.fixture
def white():
    return torch.ones(1, 3, 32, 32)


def test_the_mask_covers_the_square_that_was_cut_out(node_module, source):
    mask = node_module("comfy.pasting").crop_mask(source)
    assert mask.shape == (1, 60, 80)
    assert mask[0, 30, 40] == 1.0
    assert mask[0, 5].max() == 0.0
    assert mask[0, :, 10].max() == 0.0
    assert mask.sum() == pytest.approx(40 * 40, rel=0.2), "but for the round corners"


def test_the_face_is_pasted_and_the_rest_stays(node_module, source, white):
    pasting = node_module("comfy.pasting").Pasting(source.codes.crop, feather=0.0, match_colour=False)
    image, share = pasting.frame(source.image, white, 0), pasting.share(source.image, white, 0)
    assert image[0, 30, 40].tolist() == [1.0, 1.0, 1.0]
    assert torch.equal(image[share == 0], torch.full_like(image[share == 0], 100 / 255))


def test_a_mask_of_the_full_image_limits_what_is_pasted(node_module, source, white):
    mask = torch.zeros(1, 60, 80)
    mask[:, :, :40] = 1.0
    pasting = node_module("comfy.pasting").Pasting(source.codes.crop, 0.0, False, mask)
    image, share = pasting.frame(source.image, white, 0), pasting.share(source.image, white, 0)
    assert image[0, 30, 38, 0] == 1.0
    assert image[0, 30, 42, 0] == pytest.approx(100 / 255)
    assert share[0, :, 40:].max() == 0.0


def test_a_square_mask_belongs_to_the_face(node_module, source, white):
    mask = torch.zeros(1, 16, 16)
    mask[:, :, :8] = 1.0
    pasting = node_module("comfy.pasting").Pasting(source.codes.crop, 0.0, False, mask)
    share = pasting.share(source.image, white, 0)
    assert share[0, 30, 30] > 0.95
    assert share[0, 30, 50] < 0.05


def test_a_mask_of_another_shape_is_rejected(node_module, source, white):
    pasting = node_module("comfy.pasting").Pasting(source.codes.crop, mask=torch.zeros(1, 10, 20))
    with pytest.raises(ValueError, match="Draw it on the original"):
        pasting.frame(source.image, white, 0)


def test_originals_of_twice_the_size_get_the_face_at_twice_the_size(node_module, source, white):
    module = node_module("comfy.pasting")
    large = torch.full((1, 120, 160, 3), 100, dtype=torch.uint8)
    pasting = module.Pasting(module.crop_of(source, large), 0.0, False)
    share = pasting.share(large[0], white, 0)
    expected = module.crop_mask(source).repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert (share - expected).abs().mean() < 0.02


def test_originals_of_another_shape_are_rejected(node_module, source):
    with pytest.raises(ValueError, match="Connect the image that was encoded"):
        node_module("comfy.pasting").crop_of(source, torch.zeros(1, 60, 60, 3))


def test_a_mask_without_a_batch_axis_serves_all_frames(node_module, source, white):
    mask = torch.zeros(60, 80)
    mask[:, :40] = 1.0
    batched, plain = (
        node_module("comfy.pasting").Pasting(source.codes.crop, 0.0, False, masks).share(source.image, white, 1)
        for masks in (mask[None], mask)
    )
    assert torch.equal(batched, plain)
    assert plain[0, 30, 38] == 1.0


def test_faces_that_are_not_square_are_rejected(node_module):
    with pytest.raises(ValueError, match="received 48 x 32. Connect Decode"):
        node_module("comfy.pasting").check_faces(torch.zeros(1, 60, 80, 3), torch.zeros(1, 32, 48, 3))
