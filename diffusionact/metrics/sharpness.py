"""How sharp images are beside others, and the same images made as soft as those: for fair comparison by PSNR.

A blur gains PSNR where details are wrong, so that images of unequal sharpness do not compare.
"""

from __future__ import annotations

import torch
from kornia.color import rgb_to_grayscale
from kornia.filters import gaussian_blur2d
from torch import Tensor

from ..checks import check_same_shape
from .images import region_mean

# What is finer than this counts as detail, deviation of a Gaussian in px.
DETAIL_PX = 1.0
KERNEL_PX = 9
# Blurs that are tried, px; beyond the last one nothing is left to compare.
MAX_BLUR_PX = 2.0
BLUR_STEPS = 9


def sharpness(images: Tensor, truth: Tensor, region: Tensor | None = None, true_region: Tensor | None = None) -> Tensor:
    """Strength of fine detail over that of the truth: 1 is as sharp, less is softer, more is noise or halos.

    Detail is the grey image less its Gaussian blur of 1 px; its strength is the root of its mean square.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        truth: the same shape; it need not show the same.
        region: (B, 1, H, W) bool, the pixels of the images that count; None is all of them.
        true_region: the same of the truth; None is the same region.

    Returns:
        (B,) from 0 on; NaN where a region is empty.

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape("the images", images, "the truth", truth)
    return detail(images, region) / detail(truth, region if true_region is None else true_region).clamp(min=1e-6)


def soften(images: Tensor, truth: Tensor, wanted: float, region: Tensor | None = None) -> Tensor:
    """Images (B, 3, H, W), each blurred by the Gaussian that brings its `sharpness` down to `wanted`.

    Images that are softer already stay as they are.

    Args:
        images, truth, region: see `sharpness`; the region is that of both.
        wanted: sharpness, from 0 on.
    """
    softened = images.clone()
    limit = wanted * detail(truth, region)
    waiting = detail(images, region) > limit
    # From the weakest blur on; between two steps the sharpness changes by a few hundredths.
    for step in range(1, BLUR_STEPS + 1):
        if not waiting.any():
            break
        rows = waiting.nonzero()[:, 0]
        blurred = blur(images[rows], MAX_BLUR_PX * step / BLUR_STEPS)
        softened[rows] = blurred
        waiting[rows] = detail(blurred, None if region is None else region[rows]) > limit[rows]
    return softened


def detail(images: Tensor, region: Tensor | None) -> Tensor:
    """Strength (B,) of the fine detail of images (B, 3, H, W), in their unit."""
    grey = rgb_to_grayscale(images.float())
    return region_mean((grey - blur(grey, DETAIL_PX)).square(), region).sqrt()


def blur(images: Tensor, deviation_px: float) -> Tensor:
    """Images (B, C, H, W) under a Gaussian blur, mirrored at the borders."""
    return gaussian_blur2d(images, (KERNEL_PX, KERNEL_PX), (deviation_px, deviation_px))


def flicker(images: Tensor, truth: Tensor, region: Tensor | None = None) -> Tensor:
    """Mean absolute second difference over time, over that of the real clip: 1 is as steady, more flickers.

    For each pixel |x_f-1 - 2 x_f + x_f+1|; an even movement has little of it. A still image has 0.

    Args:
        images: (F, 3, H, W) in [-1, 1] of one clip, neighbouring frames in order.
        truth: the same frames of the real clip.
        region: (F, 1, H, W) bool, the pixels that count; None is all of them.

    Returns:
        Scalar, from 0 on.

    Raises:
        ValueError: if the shapes differ, or there are fewer than three frames.
    """
    check_same_shape("the images", images, "those of the real clip", truth)
    if len(images) < 3:
        raise ValueError(f"Expected at least three frames of a clip, received {len(images)}; give all frames at once.")
    middle = None if region is None else region[1:-1] & region[:-2] & region[2:]
    changes = [region_mean((clip[:-2] - 2 * clip[1:-1] + clip[2:]).abs(), middle) for clip in (images, truth)]
    used = torch.isfinite(changes[0]) & torch.isfinite(changes[1])
    return changes[0][used].mean() / changes[1][used].mean().clamp(min=1e-6)
