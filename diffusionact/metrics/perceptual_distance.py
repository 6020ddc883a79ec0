"""LPIPS (Zhang et al. 2018) by the optional package `lpips`, which also brings its learnt weights."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from ..checks import check_choice, check_images, check_same_shape

BACKBONES = ("alex", "vgg", "squeeze")


def load_lpips(backbone: str = "alex") -> nn.Module:
    """The network of LPIPS, frozen, in evaluation mode, on the CPU.

    Making it the first time lets torchvision download the backbone's ImageNet weights into torch's cache.

    Args:
        backbone: "alex" (the one that its authors recommend for figures), "vgg" or "squeeze"; the paper does not say
            which one it takes.

    Raises:
        ValueError: if there is no such backbone.
        ModuleNotFoundError: if the package is not installed.
    """
    check_choice("the LPIPS backbone", backbone, BACKBONES)
    try:
        from lpips import LPIPS
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Expected the package lpips and torchvision for this metric, received an installation without "
            f"{error.name!r}. Run `pip install diffusionact[evaluate]`, or leave LPIPS out."
        ) from error
    return LPIPS(net=backbone, verbose=False).eval().requires_grad_(False)


def lpips(images: Tensor, truth: Tensor, network: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Distance of deep features: per layer, the weighted squared difference of unit-length features, averaged over
    places, summed over layers; lower is better.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        truth: the same shape and range.
        network: two batches of images -> B distances; see `load_lpips`.

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
