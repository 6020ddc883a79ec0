"""Taking a photo apart: outline, the person's own colour, the background behind; known truths on painted discs."""

import pytest
import torch

from diffusionact.warping.inpainting import fill_smoothly
from diffusionact.warping.matte import extract_matte, inverse_3x3
from diffusionact.warping.regions import (
    box_blur,
    dilate,
    erode,
    face_gauge,
    fill_holes,
    flood,
    resize,
    to_nearest,
)

SIDE = 256
PERSON_COLOUR = torch.tensor([0.75, 0.45, 0.25]).reshape(1, 3, 1, 1)


def distance_from(x: float, y: float) -> torch.Tensor:
    steps = torch.arange(SIDE, dtype=torch.float32)
    return ((steps[:, None] - y) ** 2 + (steps - x) ** 2).sqrt()[None, None]


def ring(x: float, y: float, radius: float) -> torch.Tensor:
    angles = torch.arange(40) * (2 * torch.pi / 40)
    return torch.stack([x + radius * angles.cos(), y + radius * angles.sin()], dim=-1)


@pytest.fixture(scope="module")
def scene():
    """A disc with a soft outline before a ramp of colours: photo, true alpha, true background, points of the face."""
    alpha = ((72 - distance_from(128, 128)) / 6 + 0.5).clamp(0, 1)
    ramp = torch.linspace(0.1, 0.6, SIDE)
    background = torch.stack([ramp.expand(SIDE, SIDE), ramp[:, None].expand(SIDE, SIDE), torch.full((SIDE, SIDE), 0.8)])
    background = background[None]
    return alpha * PERSON_COLOUR + (1 - alpha) * background, alpha, background, ring(128, 128, 40)


def coarse_probability(alpha: torch.Tensor) -> torch.Tensor:
    """What the net would say: the outline blurred and cut at 64 px."""
    return resize(box_blur(alpha, 5), (64, 64)).clamp(0.01, 0.99)


def test_outline_is_found_finer_than_the_net_sees_it(scene):
    image, alpha, _, face = scene
    coarse = coarse_probability(alpha)
    matte = extract_matte(image, coarse, face)
    assert matte.alpha.shape == (1, 1, SIDE, SIDE)
    error, coarse_error = ((a - alpha).abs().mean() for a in (matte.alpha, resize(coarse, (SIDE, SIDE))))
    assert error < 0.6 * coarse_error
    assert error < 0.005


def test_soft_edge_keeps_the_person_and_loses_the_background(scene):
    image, alpha, _, face = scene
    matte = extract_matte(image, coarse_probability(alpha), face)
    soft = ((alpha > 0.2) & (alpha < 0.8)).expand_as(image)
    mixed = (image - PERSON_COLOUR).abs()[soft].mean()
    assert (matte.foreground - PERSON_COLOUR).abs()[soft].mean() < 0.45 * mixed
    solid = (matte.alpha == 1).expand_as(image)
    torch.testing.assert_close(matte.foreground[solid], image[solid], atol=1e-4, rtol=0)


def test_background_runs_on_behind_the_person(scene):
    image, alpha, background, face = scene
    matte = extract_matte(image, coarse_probability(alpha), face)
    assert (matte.background - background).abs().max() < 0.03
    far = (alpha == 0) & (distance_from(128, 128) > 100)
    torch.testing.assert_close(matte.background[far.expand_as(image)], image[far.expand_as(image)])


def test_what_hangs_on_the_person_by_a_thread_falls_off():
    body, ball = distance_from(100, 128) < 60, distance_from(210, 128) < 30
    bridge = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.bool)
    bridge[..., 126:131, 150:190] = True
    person = (body | ball | bridge).float()
    image = (0.2 + 0.6 * person).expand(1, 3, -1, -1)
    alpha = extract_matte(image, person, ring(100, 128, 40)).alpha
    assert alpha[..., 128, 80:150].min() > 0.95
    assert alpha[..., 128, 200:220].max() < 0.05
    everybody = extract_matte(image, person).alpha
    assert everybody[..., 128, 200:220].min() > 0.95


def test_holes_in_a_person_close():
    person = ((distance_from(128, 128) < 90) & ~(distance_from(128, 190) < 14)).float()
    image = (0.3 + 0.4 * person).expand(1, 3, -1, -1)
    assert extract_matte(image, person, ring(128, 110, 40)).alpha[..., 190, 128] > 0.8


def test_nobody_leaves_the_photo_as_background():
    image = torch.rand(1, 3, 80, 100, generator=torch.Generator().manual_seed(0))
    matte = extract_matte(image, torch.full((1, 1, 80, 100), 0.01))
    assert matte.alpha.max() == 0
    torch.testing.assert_close(matte.background, image)


def test_face_that_the_net_does_not_see_still_gets_a_head():
    image = torch.full((1, 3, SIDE, SIDE), 0.5)
    alpha = extract_matte(image, torch.full((1, 1, SIDE, SIDE), 0.01), ring(128, 128, 40)).alpha
    assert alpha[..., 128, 128] == 1 and alpha[..., 128, 128 - 45] > 0.9
    assert alpha[..., 128, 20] == 0


def test_person_who_fills_the_photo_gets_a_plain_background():
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    matte = extract_matte(image, torch.full((1, 1, 64, 64), 0.99), ring(32, 32, 20))
    assert matte.alpha.min() > 0.95
    assert matte.background.std(dim=(2, 3)).max() < 1e-5


def test_large_photos_keep_their_size_and_odd_sizes_work():
    image = torch.full((1, 3, 701, 463), 0.4)
    matte = extract_matte(image, torch.full((1, 1, 320, 212), 0.01), ring(230, 300, 120))
    assert matte.alpha.shape == (1, 1, 701, 463)
    assert matte.foreground.shape == matte.background.shape == (1, 3, 701, 463)


def test_matte_of_a_batch_is_rejected_with_what_to_pass():
    with pytest.raises(ValueError, match="pass one photo"):
        extract_matte(torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8))


def test_fill_continues_a_ramp_through_a_hole():
    ramp = torch.linspace(0, 1, 96).expand(1, 2, 96, 96)
    known = (distance_from(48, 48)[..., :96, :96] > 25).float()
    filled = fill_smoothly(ramp * known, known)
    assert (filled - ramp).abs().max() < 0.02
    torch.testing.assert_close(filled[(known == 1).expand_as(ramp)], ramp[(known == 1).expand_as(ramp)])


def test_flood_follows_a_path_and_holes_are_what_it_cannot_reach():
    region = torch.zeros(1, 1, 40, 40, dtype=torch.bool)
    region[..., 5, 2:38] = region[..., 5:35, 37] = True
    region[..., 30:34, 2:6] = True
    seed = torch.zeros_like(region)
    seed[..., 5, 2] = True
    found = flood(seed, region)
    assert found[..., 34, 37] and not found[..., 31, 3]
    box = torch.zeros(1, 1, 20, 20, dtype=torch.bool)
    box[..., 5:15, 5:15] = True
    box[..., 8:11, 8:11] = False
    assert int(fill_holes(box).sum()) == 100


def test_box_blur_is_the_mean_of_a_square_with_a_drawn_out_border():
    x = torch.rand(1, 2, 12, 9, generator=torch.Generator().manual_seed(2))
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2), mode="replicate")
    torch.testing.assert_close(box_blur(x, 2), torch.nn.functional.avg_pool2d(padded, 5, 1), atol=1e-5, rtol=0)


def test_growing_and_shrinking_a_square_by_two_pixels():
    region = torch.zeros(1, 1, 20, 20, dtype=torch.bool)
    region[..., 6:14, 6:14] = True
    assert int(dilate(region, 2).sum()) == 144
    assert int(erode(region, 2).sum()) == 16
    assert bool(erode(torch.ones_like(region), 2).all())


def test_gauge_of_a_round_face_is_the_distance_in_radii():
    gauge = face_gauge(ring(128, 128, 40), (SIDE, SIDE), (SIDE, SIDE))
    torch.testing.assert_close(gauge, distance_from(128, 128) / 40, atol=0.02, rtol=0.01)


def test_inverse_by_cross_products():
    root = torch.rand(50, 3, 3, generator=torch.Generator().manual_seed(3))
    matrices = root @ root.transpose(1, 2) + 0.1 * torch.eye(3)
    torch.testing.assert_close(inverse_3x3(matrices) @ matrices, torch.eye(3).expand(50, 3, 3), atol=1e-4, rtol=0)


def test_way_to_the_nearest_pixel_of_a_region():
    region = torch.zeros(1, 1, 30, 50, dtype=torch.bool)
    region[..., 4, 7] = region[..., 25, 40] = True
    way = to_nearest(region)
    assert way[0, :, 10, 9].tolist() == [-2, -6]
    assert way[0, :, 20, 49].tolist() == [-9, 5]
    assert way[0, :, 4, 7].tolist() == [0, 0]


def test_texture_goes_on_behind_the_rim_of_the_person_and_ends_deep_inside(scene):
    _, alpha, _, face = scene
    stripes = ((torch.arange(SIDE) // 6) % 2).float().expand(1, 3, SIDE, SIDE)
    image = alpha * 0.5 + (1 - alpha) * stripes
    behind = extract_matte(image, coarse_probability(alpha), face).background[0, 0]
    column = slice(122, 134)  # above and below the disc's middle the rim runs along the stripes
    beside, rim, deep = (
        behind[rows, column].std(dim=1).mean() for rows in (slice(20, 40), slice(60, 66), slice(124, 132))
    )
    assert beside > 0.4 and rim > 0.6 * beside and deep < 0.2 * beside


def test_photos_edge_leaves_none_in_the_background_behind_a_high_person(scene):
    _, alpha, _, face = scene
    high, face = alpha.roll(-46, 2), face - face.new_tensor([0, 46])  # 10 px below the photo's edge
    stripes = 0.5 + 0.3 * torch.sin(torch.arange(SIDE) / 8).expand(1, 3, SIDE, SIDE)
    behind = extract_matte(high * 0.5 + (1 - high) * stripes, coarse_probability(high), face).background
    assert behind.diff(dim=3).abs().max() < 2 * stripes.diff(dim=3).abs().max()
