"""LPIPS (Zhang et al. 2018), by a network that the caller brings."""

from __future__ import annotations

from collections.abc import Callable

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
