"""Metrics of images in [-1, 1] against the truth: PSNR, SSIM and L1, one value per image, or of a region of it.

A data set's figure is the mean over its images, not the figure of the pooled error, which is smaller for PSNR.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from kornia.metrics import ssim as ssim_map
from torch import Tensor

from ..checks import check_images, check_same_shape

# Images reach from -1 to 1.
DATA_RANGE = 2.0
# Wang et al. 2004: a Gaussian of deviation 1.5 px over 11 px, constants (0.01 L)^2 and (0.03 L)^2.
SSIM_WINDOW_PX = 11


def psnr(images: Tensor, truth: Tensor, region: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio, 10 log10(L^2 / MSE) with L = 2; higher is better.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        truth: the same shape and range.
        region: (B, 1, H, W) bool, the pixels that count; None is all of them. A row without any gives NaN.

    Returns:
        (B,) dB, at least 0; infinite for equal images.

    Raises:
        ValueError: if the shapes differ or an image is out of range.
    """
    _check(images, truth)
    error = region_mean((images - truth).square(), region)
    return 10.0 * torch.log10(DATA_RANGE**2 / error)


def ssim(images: Tensor, truth: Tensor, region: Tensor | None = None) -> Tensor:
    """Structural similarity (Wang et al. 2004) of each colour channel, averaged; higher is better.

    SSIM = (2 m_x m_y + c_1)(2 s_xy + c_2) / ((m_x^2 + m_y^2 + c_1)(s_x^2 + s_y^2 + c_2)), with means m and variances s
    under a Gaussian window of the levels from 0 on, averaged where the whole window lies inside the image. Equal to
    scikit-image's to 1e-4 (single precision costs most where an image is flat).

    Args:
        images: (B, 3, H, W) in [-1, 1], at least 11 px high and wide.
        truth: the same shape and range.
        region: (B, 1, H, W) bool, windows count that lie in it; None is all of them. A row without any gives NaN.

    Returns:
        (B,) in [-1, 1]; 1 for equal images.

    Raises:
        ValueError: if the shapes differ, an image is out of range, or the images are smaller than the window.
    """
    _check(images, truth)
    if min(images.shape[-2:]) < SSIM_WINDOW_PX:
        raise ValueError(
            f"Expected images of at least {SSIM_WINDOW_PX} px for SSIM, received {tuple(images.shape)}; compare "
            f"larger images."
        )
    levels, true_levels = images.float() + 1.0, truth.float() + 1.0
    similarity = ssim_map(levels, true_levels, SSIM_WINDOW_PX, max_val=DATA_RANGE, eps=0.0, padding="valid")
    if region is not None:
        # A window counts where none of its pixels lies outside.
        region = F.max_pool2d((~region).float(), SSIM_WINDOW_PX, stride=1) == 0
    return region_mean(similarity, region)


def l1(images: Tensor, truth: Tensor, region: Tensor | None = None) -> Tensor:
    """Mean absolute difference of all values; lower is better.

    In the range [-1, 1], twice that of [0, 1]: only so the paper's L1 (0.14) fits its PSNR (19.7 dB).

    Args:
        images: (B, 3, H, W) in [-1, 1].
        truth: the same shape and range.
        region: (B, 1, H, W) bool, the pixels that count; None is all of them. A row without any gives NaN.

    Returns:
        (B,) in [0, 2]; 0 for equal images.

    Raises:
        ValueError: if the shapes differ or an image is out of range.
    """
    _check(images, truth)
    return region_mean((images - truth).abs(), region)


def region_mean(values: Tensor, region: Tensor | None) -> Tensor:
    """Mean (B,) of values (B, C, H, W) over a region (B, 1, H, W) bool, or all; NaN where it is empty."""
    if region is None:
        return values.flatten(1).mean(dim=1)
    weight = region.to(values)
    return (values * weight).sum(dim=(1, 2, 3)) / (weight.sum(dim=(1, 2, 3)) * values.shape[1])


def _check(images: Tensor, truth: Tensor) -> None:
    check_same_shape("the images", images, "the truth", truth)
    check_images("the images", images)
    check_images("the truth", truth)
