"""LPIPS (Zhang et al. 2018) and its kind, by a network that the caller brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_images, check_same_shape


def lpips(images: Tensor, truth: Tensor, network: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Distance of deep features: per layer, the weighted squared difference of unit-length features, averaged over
    positions, summed over layers; lower is better.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        truth: the same shape and range.
        network: two batches of images -> B distances, such as `perception.lpips.Lpips`.

    Returns:
        (B,) at least 0, about 1 for unlike images; 0 for equal images.

    Raises:
        ValueError: if the shapes differ, an image is out of range, or the network gives another number of values.
    """
    check_same_shape("the images", images, "the truth", truth)
    check_images("the images", images)
    check_images("the truth", truth)
    distances = network(images, truth)
    if distances.numel() != len(images):
        raise ValueError(
            f"Expected one distance for each of {len(images)} images, received shape {tuple(distances.shape)}; "
            f"use a network that does not average over the batch."
        )
    return distances.flatten()


def feature_distance(maps: Sequence[Tensor], true_maps: Sequence[Tensor], region: Tensor) -> Tensor:
    """As LPIPS without learnt weights: squared difference of unit-length features, averaged over the positions of a
    region, summed over layers; lower is better.

    Args:
        maps: layers (B, C_l, h_l, w_l) of the images.
        true_maps: the same of the truth.
        region: (B, 1, H, W) bool, the pixels of the images that count. A position counts where all its pixels do.

    Returns:
        (B,) in [0, 4 * layers]; 0 for equal images, NaN where no position counts.

    Raises:
        ValueError: if the shapes differ.
    """
    distance = region.new_zeros(len(region), dtype=torch.float32)
    for layer, true_layer in zip(maps, true_maps, strict=True):
        check_same_shape("the features", layer, "those of the truth", true_layer)
        error = (F.normalize(layer, dim=1) - F.normalize(true_layer, dim=1)).square().sum(dim=1)
        counts = F.adaptive_max_pool2d((~region).float(), layer.shape[-2:])[:, 0] == 0
        distance = distance + (error * counts).sum(dim=(1, 2)) / counts.sum(dim=(1, 2))
    return distance
