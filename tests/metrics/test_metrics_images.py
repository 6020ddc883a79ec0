"""PSNR, SSIM, L1 and LPIPS: perfect at equality, constants by hand, scikit-image, and refusals."""

import math
import sys

import pytest
import torch

from diffusionact.metrics import l1, load_lpips, lpips, psnr, ssim

FUNCTIONS = {psnr: math.inf, ssim: 1.0, l1: 0.0}


def noisy_pair(deviation=0.2, size=(24, 32), batch=3):
    generator = torch.Generator().manual_seed(1)
    smooth = torch.nn.functional.interpolate(
        torch.rand(batch, 3, 6, 8, generator=generator), size=size, mode="bilinear"
    )
    truth = smooth * 1.6 - 0.8
    return (truth + deviation * torch.randn(truth.shape, generator=generator)).clamp(-1, 1), truth


def toy_lpips(images, truth):
    return (images - truth).square().mean(dim=(1, 2, 3), keepdim=True)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_equal_images_are_perfect(function):
    _, truth = noisy_pair()
    torch.testing.assert_close(function(truth, truth), torch.full((3,), FUNCTIONS[function]))
    black = -torch.ones(1, 3, 16, 16)
    torch.testing.assert_close(function(black, black), torch.tensor([FUNCTIONS[function]]))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_each_image_has_its_own_value(function):
    images, truth = noisy_pair()
    singles = torch.cat([function(images[i : i + 1], truth[i : i + 1]) for i in range(3)])
    assert singles.unique().numel() == 3
    torch.testing.assert_close(function(images, truth), singles)
    torch.testing.assert_close(function(images.flip(0), truth.flip(0)), singles.flip(0))


def test_constants_worked_out_by_hand():
    grey, lighter = torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.2)
    assert psnr(lighter, grey).item() == pytest.approx(20.0, abs=1e-4)  # a tenth of the range
    assert l1(lighter, grey).item() == pytest.approx(0.2)
    assert psnr(grey - 1, grey + 1).item() == pytest.approx(0.0, abs=1e-6)
    # Flat images have no variance: (2 m n + c) / (m^2 + n^2 + c) with levels from 0 to 2.
    c = (0.01 * 2) ** 2
    assert ssim(lighter, grey).item() == pytest.approx((2 * 1.2 + c) / (1.2**2 + 1 + c), abs=1e-4)


def test_scikit_image_agrees_on_psnr_and_ssim():
    measure = pytest.importorskip("skimage.metrics", reason="scikit-image (dev extra) is absent")
    images, truth = noisy_pair()
    for ours, theirs, image, true in zip(psnr(images, truth), ssim(images, truth), images, truth, strict=True):
        first, second = (x.permute(1, 2, 0).double().numpy() for x in (image, true))
        expected = measure.peak_signal_noise_ratio(second, first, data_range=2)
        assert ours.item() == pytest.approx(expected, rel=1e-5)
        expected = measure.structural_similarity(
            (second + 1) / 2,
            (first + 1) / 2,
            data_range=1,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert theirs.item() == pytest.approx(expected, abs=1e-5)


def test_more_noise_is_worse_in_every_metric():
    little, truth = noisy_pair(0.1)
    much, _ = noisy_pair(0.3)
    assert (psnr(much, truth) < psnr(little, truth)).all()
    assert (ssim(much, truth) < ssim(little, truth)).all()
    assert (l1(much, truth) > l1(little, truth)).all()


@pytest.mark.parametrize("function", [*FUNCTIONS, lambda *pair: lpips(*pair, toy_lpips)])
def test_images_in_another_range_or_size_are_refused(function):
    images, truth = noisy_pair()
    with pytest.raises(ValueError, match="Expected the images in \\[-1, 1\\]"):
        function((images + 1) * 127.5, truth)
    with pytest.raises(ValueError, match="in one shape, received"):
        function(images[:1], truth)


def test_ssim_refuses_images_smaller_than_its_window():
    small = torch.zeros(1, 3, 10, 16)
    with pytest.raises(ValueError, match="at least 11 px"):
        ssim(small, small)


def test_lpips_gives_one_value_an_image_whatever_axes_its_network_keeps():
    images, truth = noisy_pair()
    expected = (images - truth).square().flatten(1).mean(1)
    torch.testing.assert_close(lpips(images, truth, toy_lpips), expected)
    with pytest.raises(ValueError, match="one distance for each of 3 images"):
        lpips(images, truth, lambda first, second: (first - second).square().mean())


def test_lpips_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(ModuleNotFoundError, match="Expected the package lpips.*diffusionact\\[evaluate\\]"):
        load_lpips()


def test_an_unknown_lpips_backbone_is_refused_before_anything_is_imported():
    with pytest.raises(ValueError, match="Expected the LPIPS backbone to be one of 'alex'"):
        load_lpips("resnet")
