"""The aligned image of a clip's crop: pixels lie where the transform says, at any scale."""

import pytest
import torch

from diffusionact.face.geometry.alignment import invert_transform, transform_points
from diffusionact.face.readers.emoca.aligned_image import ClipCrop, FrameCrop, sample_crop, spans_a_face
from diffusionact.types import CropTransform


def gradient(height: int, width: int) -> torch.Tensor:
    """uint8 image whose red and green levels tell the place."""
    y, x = torch.meshgrid(torch.linspace(0, 250, height), torch.linspace(0, 250, width), indexing="ij")
    return torch.stack([x, y, x], dim=-1).round().to(torch.uint8)


def landmarks_at(x: float, y: float, scale: float) -> torch.Tensor:
    """(1, 68, 2): eyes 60 px apart at scale 1, mouth 60 px below them."""
    landmarks = torch.zeros(68, 2)
    landmarks[36:42], landmarks[42:48] = torch.tensor([-30.0, 0]), torch.tensor([30.0, 0])
    landmarks[48:] = torch.tensor([0.0, 60])
    return (landmarks * scale + torch.tensor([x, y]))[None]


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0, 7.0])
def test_pixels_lie_where_the_transform_says(scale):
    frame = gradient(600, 900)
    matrix = torch.tensor([[[1 / scale, 0.0, -150 / scale], [0.0, 1 / scale, -60 / scale]]])
    size = int(500 / scale)
    crop = CropTransform(matrix, size)
    image = sample_crop(frame, crop)
    places = torch.cartesian_prod(torch.arange(2, size - 2, 7), torch.arange(2, size - 2, 7))
    in_frame = transform_points(invert_transform(matrix), places[None].float())[0]
    expected = in_frame * torch.tensor([250 / 899, 250 / 599])
    assert (image[places[:, 1], places[:, 0], :2] - expected).abs().max() < 1.5


def test_beyond_the_border_the_last_pixels_are_repeated():
    frame = gradient(100, 100)
    image = sample_crop(frame, CropTransform(torch.tensor([[[1.0, 0, 50], [0, 1.0, 50]]]), 64))
    assert torch.equal(image[:50, :50], frame[:1, :1].expand(50, 50, 3))


def test_both_crops_show_the_same_upright_face_alike():
    frame, landmarks = gradient(500, 500), landmarks_at(250, 240, 0.9)
    by_frame, first = FrameCrop()(frame, landmarks)
    by_clip, second = ClipCrop(25.0)(frame, landmarks)
    torch.testing.assert_close(first.matrix, second.matrix, atol=1e-3, rtol=1e-5)
    assert (by_frame.float() - by_clip.float()).abs().mean() < 1.0


def test_a_clips_crop_follows_slowly():
    frame, crop = gradient(500, 500), ClipCrop(25.0)
    _, first = crop(frame, landmarks_at(250, 240, 0.9))
    _, second = crop(frame, landmarks_at(300, 240, 0.9))
    moved = (second.matrix - first.matrix)[0, 0, 2].abs()
    assert 0 < moved < 5


def test_landmarks_on_one_spot_span_no_face():
    assert spans_a_face(landmarks_at(50, 50, 1.0)) and not spans_a_face(torch.full((1, 68, 2), 40.0))
