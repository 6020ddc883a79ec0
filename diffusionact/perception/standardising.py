"""Ranges that published networks expect, from images in [-1, 1]."""

from __future__ import annotations

from torch import Tensor

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def standardise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Images (B, 3, H, W) in [-1, 1] -> ((x + 1) / 2 - mean) / std of each channel."""
    mean_by_channel = images.new_tensor(mean)[:, None, None]
    return ((images + 1.0) / 2.0 - mean_by_channel) / images.new_tensor(std)[:, None, None]
