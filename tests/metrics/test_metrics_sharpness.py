"""Sharpness, equal sharpness, flicker, regions, features and distances: by hand, and in the right direction."""

import pytest
import torch
from kornia.filters import gaussian_blur2d

from diffusionact.metrics import closeness, feature_distance, flicker, l1, psnr, sharpness, soften, ssim


def pattern(count=2, size=48):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8


def half(count=2, size=48):
    region = torch.zeros(count, 1, size, size, dtype=torch.bool)
    region[..., : size // 2] = True
    return region


def test_sharpness_is_one_at_equality_and_falls_with_blur():
    images = pattern()
    torch.testing.assert_close(sharpness(images, images), torch.ones(2))
    weak, strong = (sharpness(gaussian_blur2d(images, (9, 9), (sigma, sigma)), images) for sigma in (0.5, 1.5))
    assert (strong < weak).all() and (weak < 0.9).all()
    torch.testing.assert_close(sharpness(images * 0.5, images), torch.full((2,), 0.5))


def test_softened_images_have_the_wanted_sharpness_and_soft_ones_stay():
    images = pattern()
    region = half()
    softened = soften(images, images, 0.5, region)
    after = sharpness(softened, images, region)
    assert (after <= 0.5 + 1e-5).all() and (after > 0.25).all()
    assert torch.equal(soften(softened, images, 0.5, region), softened)
    blurred_first = torch.cat([softened[:1], images[1:]])
    assert torch.equal(soften(blurred_first, images, 0.5, region), torch.cat([softened[:1], softened[1:]]))


def test_only_the_region_counts():
    truth, region = pattern(), half()
    made = truth.clone()
    made[..., 24:] = 0.9
    assert psnr(made, truth, region).isinf().all() and (psnr(made, truth) < 20).all()
    torch.testing.assert_close(l1(made, truth, ~region), 2 * l1(made, truth))
    torch.testing.assert_close(ssim(made, truth, region), torch.ones(2))
    inside = ssim(made[..., :24], truth[..., :24])
    torch.testing.assert_close(ssim(made * 0.9, truth, region), ssim(made[..., :24] * 0.9, truth[..., :24]))
    assert (inside == 1).all()
    everything = torch.ones_like(region)
    for metric in (psnr, ssim, l1):
        torch.testing.assert_close(metric(made, truth, everything), metric(made, truth))
        assert metric(made, truth, ~everything).isnan().all()


def test_flicker_of_even_motion_is_nothing_and_noise_adds_to_it():
    ramp = torch.linspace(-0.5, 0.5, 5)[:, None, None, None].expand(5, 3, 16, 16)
    shaking = ramp + 0.1 * torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0])[:, None, None, None]
    torch.testing.assert_close(flicker(shaking, shaking), torch.tensor(1.0))
    assert float(flicker(ramp, shaking)) == pytest.approx(0, abs=1e-5)
    twice = ramp + 0.2 * torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0])[:, None, None, None]
    assert float(flicker(twice, shaking)) == pytest.approx(2, rel=1e-4)
    region = torch.zeros(5, 1, 16, 16, dtype=torch.bool)
    region[..., :8] = True
    outside = shaking.clone()
    outside[..., 8:] = torch.randn(5, 3, 16, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(flicker(outside, shaking, region), torch.tensor(1.0))
    with pytest.raises(ValueError, match="^Expected at least three frames"):
        flicker(ramp[:2], ramp[:2])


def test_closeness_is_one_less_the_distance():
    first, second = torch.tensor([[3.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 4.0], [1.0, 1.0]])
    assert closeness(first, second).tolist() == [-4.0, 1.0]


def test_feature_distance_is_that_of_directions_over_whole_cells():
    right, up = torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)
    right[:, 0], up[:, 1] = 1.0, 5.0
    everything = torch.ones(1, 1, 16, 16, dtype=torch.bool)
    assert feature_distance([right], [right * 7], everything).item() == pytest.approx(0, abs=1e-6)
    assert feature_distance([right, right], [up, right], everything).item() == pytest.approx(2.0)
    half_up = right.clone()
    half_up[..., 2:] = up[..., 2:]
    left = everything.clone()
    left[..., 8:] = False
    assert feature_distance([half_up], [right], everything).item() == pytest.approx(1.0)
    assert feature_distance([half_up], [right], left).item() == pytest.approx(0.0)
