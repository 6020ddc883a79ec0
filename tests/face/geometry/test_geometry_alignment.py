"""Alignment: the official crop, its geometry, its inverse, and large images."""

from pathlib import Path

import numpy as np
import pytest
import torch

from diffusionact.face.geometry.alignment import (
    align_face,
    blurred_share,
    clip_crop_transform,
    crop_transform,
    cut_crop,
    gaussian_blur,
    invert_transform,
    transform_points,
)
from diffusionact.face.geometry.ibug68 import LEFT_EYE, RIGHT_EYE


def plain_face(centre: tuple[float, float] = (128.0, 128.0), scale: float = 1.0, roll_deg: float = 0.0) -> torch.Tensor:
    """(1, 68, 2): eyes 60 px apart at scale 1, mouth 60 px below them."""
    landmarks = torch.zeros(68, 2)
    landmarks[list(RIGHT_EYE)] = torch.tensor([-30.0, 0])
    landmarks[list(LEFT_EYE)] = torch.tensor([30.0, 0])
    landmarks[48], landmarks[54] = torch.tensor([-20.0, 60]), torch.tensor([20.0, 60])
    angle = torch.deg2rad(torch.tensor(roll_deg))
    turn = torch.stack([torch.stack([angle.cos(), angle.sin()]), torch.stack([-angle.sin(), angle.cos()])])
    return (landmarks * scale @ turn.T + torch.tensor(centre))[None]


def smooth_image(height: int, width: int) -> torch.Tensor:
    """uint8 colour gradient whose levels tell the place."""
    y, x = torch.meshgrid(torch.linspace(0, 250, height), torch.linspace(0, 250, width), indexing="ij")
    return torch.stack([x, y, (x + y) / 2], dim=-1).round().to(torch.uint8)


@pytest.mark.parametrize("name", ["centre", "pad", "rot", "big_picture"])
def test_aligned_images_agree_with_the_official_code(golden_dir: Path, compare, name: str):
    golden = np.load(golden_dir / "align.npz")
    image = torch.from_numpy(golden["picture_big" if name == "big_picture" else "picture"])
    aligned, _ = align_face(image, torch.from_numpy(golden[f"{name}_landmarks"]))
    # At most one level, in less than 0.1 % of the bytes.
    compare(f"aligned image {name}, levels", aligned, golden[f"{name}_out"], 1, 1e-3)


def test_transform_puts_the_face_where_the_rule_says():
    transform = crop_transform(plain_face(), 256)
    eyes = transform_points(transform.matrix, torch.tensor([[[98.0, 128.0], [158.0, 128.0], [128.0, 134.0]]]))
    # Half side 120 px: 256 / 240 a pixel; the square's centre lies 6 px below the eyes.
    expected = torch.tensor([[127.5 - 32, 127.5 - 6.4], [127.5 + 32, 127.5 - 6.4], [127.5, 127.5]])
    assert torch.allclose(eyes[0], expected, atol=1e-3)


def test_aligned_pixels_lie_where_the_transform_says():
    image = smooth_image(300, 400)
    aligned, transform = align_face(image, plain_face((200.0, 150.0), 0.6, 20.0)[0])
    grid = torch.cartesian_prod(torch.arange(20, 240, 20), torch.arange(20, 240, 20)).float()
    full = transform_points(invert_transform(transform.matrix), grid[None])[0]
    x, y = grid.long().unbind(-1)
    expected = torch.stack([full[:, 0] * 250 / 399, full[:, 1] * 250 / 299], dim=-1)
    assert (aligned[y, x, :2] - expected).abs().max() < 1.5


@pytest.mark.parametrize("centre", [(200.0, 150.0), (30.0, 40.0)])
@pytest.mark.parametrize("size", [64, 256])
def test_a_crop_given_by_its_transform_is_cut_like_one_given_by_landmarks(centre, size):
    image, landmarks = smooth_image(300, 400), plain_face(centre, 0.6, 20.0)[0]
    _, crop = align_face(image, landmarks, 256)
    expected, _ = align_face(image, landmarks, size)
    assert (cut_crop(image, crop, size).int() - expected.int()).abs().max() <= 1


def test_inverse_transform_returns_the_points():
    matrix = crop_transform(torch.cat([plain_face(), plain_face((50, 80), 0.3, -70.0)]), 256).matrix
    points = torch.rand(2, 10, 2) * 256
    assert torch.allclose(
        transform_points(invert_transform(matrix), transform_points(matrix, points)), points, atol=1e-3
    )


def test_frame_crop_removes_roll_and_clip_crop_keeps_it():
    rolled = plain_face(roll_deg=25.0)
    in_frame_crop = transform_points(crop_transform(rolled, 256).matrix, rolled)
    assert torch.allclose(
        in_frame_crop, transform_points(crop_transform(plain_face(), 256).matrix, plain_face()), atol=1e-3
    )
    matrix = clip_crop_transform(rolled, 256).matrix
    assert torch.allclose(matrix[0, :, :2], torch.eye(2) * 256 / 240, atol=1e-5)
    eyes = transform_points(matrix, rolled)[0, [36, 45]]
    slope = torch.rad2deg(torch.atan2(*(eyes[1] - eyes[0]).flip(0)))
    assert abs(abs(float(slope)) - 25) < 1e-2


def test_large_images_are_shrunk_without_aliasing():
    stripes = torch.zeros(1400, 1400, 3, dtype=torch.uint8)
    stripes[:, ::2] = 255
    aligned, _ = align_face(stripes, plain_face((700.0, 700.0), 5.0)[0])
    assert (aligned[20:236, 20:236].float() - 127.5).abs().max() < 12


def test_large_images_keep_their_places():
    image = smooth_image(1500, 1500)
    aligned, transform = align_face(image, plain_face((700.0, 640.0), 5.0, 10.0)[0])
    full = transform_points(invert_transform(transform.matrix), torch.tensor([[[100.0, 150.0]]]))[0, 0]
    assert (aligned[150, 100, :2] - full * 250 / 1499).abs().max() < 1.5


def test_a_small_image_is_not_shrunk_however_large_its_face():
    dots = torch.zeros(256, 256, 3, dtype=torch.uint8)
    dots[::2, ::2] = 255  # shrunk by two they would be an even 64
    aligned, _ = align_face(dots, plain_face(scale=2.2)[0])
    assert aligned[96:160, 96:160].max() > 150


def test_a_face_at_the_border_is_padded():
    aligned, _ = align_face(smooth_image(200, 200), plain_face((8.0, 100.0))[0])
    assert aligned.shape == (256, 256, 3) and aligned.dtype == torch.uint8


def test_padding_is_known_where_it_reaches_into_the_image():
    whole = torch.randint(0, 256, (600, 600, 3), generator=torch.Generator().manual_seed(0)).byte()
    part, shift = whole[240:440, 180:420], torch.tensor([180.0, 240.0])
    landmarks = plain_face((300.0, 310.0), 0.7, 15.0)
    cuts = [
        cut_crop(image, crop_transform(points, 128), 128)
        for image, points in ((whole, landmarks), (part, landmarks - shift))
    ]
    share = blurred_share(part, crop_transform(landmarks - shift, 128), 128)
    changed = (cuts[0].int() - cuts[1].int()).abs().amax(-1)
    assert changed[share == 0].max() <= 1 and 0.2 < (share == 0).float().mean() < 0.9
    assert (changed[share > 0.5] > 20).float().mean() > 0.9
    assert not blurred_share(whole, crop_transform(landmarks, 128), 128).any()


def test_blur_equals_scipy():
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy (dev extra) is absent")
    image = np.random.default_rng(0).uniform(0, 255, (30, 41, 3)).astype(np.float32)
    for sigma in (0.8, 2.3, 12.0):
        assert np.abs(gaussian_blur(image, sigma) - ndimage.gaussian_filter(image, (sigma, sigma, 0))).max() < 1e-3


def test_landmarks_without_extent_are_rejected():
    with pytest.raises(ValueError, match="span a face"):
        align_face(smooth_image(64, 64), torch.full((68, 2), 30.0))
