"""StyleGAN2's discriminator (Karras et al. 2020, section 4 and appendix B): an image -> how real it looks.

Only training needs it, so it stands here and in no model folder. Weights are scaled at run time as the generator's.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusionact.models.resampling import blur_kernel, filter_resampled
from diffusionact.models.stylegan2 import START_SIZE, EqualisedLinear, activate

# Images that are compared with each other, see `with_group_deviation`.
GROUP_SIZE = 4
DEVIATION_EPS = 1e-8


class EqualisedConvolution(nn.Module):
    """A convolution whose weights are stored at unit variance; keeps the size, or halves it after a blur.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: 1 or 3.
        halve: half the side.
        bias: add one.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, halve: bool = False, bias: bool = True):
        super().__init__()
        self.halve = halve
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W), or of half the side."""
        weight, kernel_size = self.weight / math.sqrt(self.weight[0].numel()), self.weight.shape[-1]
        if not self.halve:
            return F.conv2d(x, weight, self.bias, padding=kernel_size // 2)
        if kernel_size == 1:  # filtering where samples are kept is the same, and cheaper
            return F.conv2d(filter_resampled(x, blur_kernel(), down=2, pad=(1, 1)), weight, self.bias)
        return F.conv2d(filter_resampled(x, blur_kernel(), pad=(2, 2)), weight, self.bias, stride=2)


class HalvingBlock(nn.Module):
    """Two convolutions, the second to half the side, beside a linear shortcut."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.first = EqualisedConvolution(in_channels, in_channels, 3)
        self.second = EqualisedConvolution(in_channels, out_channels, 3, halve=True)
        self.shortcut = EqualisedConvolution(in_channels, out_channels, 1, halve=True, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / 2, W / 2)."""
        return (activate(self.second(activate(self.first(x)))) + self.shortcut(x)) / math.sqrt(2.0)


class Discriminator(nn.Module):
    """Images -> scores; above 0 is real.

    Args:
        channels: of every level, 4 px first, as the generator's.
    """

    def __init__(self, channels: tuple[int, ...]):
        super().__init__()
        fine_first = channels[::-1]
        self.from_rgb = EqualisedConvolution(3, fine_first[0], 1)
        self.blocks = nn.Sequential(
            *(HalvingBlock(before, after) for before, after in zip(fine_first, fine_first[1:], strict=False))
        )
        self.convolution = EqualisedConvolution(channels[0] + 1, channels[0], 3)
        self.hidden = EqualisedLinear(channels[0] * START_SIZE**2, channels[0])
        self.score = EqualisedLinear(channels[0], 1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] -> (B,)."""
        features = self.blocks(activate(self.from_rgb(images)))
        features = activate(self.convolution(with_group_deviation(features)))
        return self.score(activate(self.hidden(features.flatten(1))))[:, 0]


def with_group_deviation(features: Tensor) -> Tensor:
    """Add a channel that tells how much the images of a group differ, so that a generator must draw different ones.

    Groups are neighbours in the batch; where it cannot be split into groups of `GROUP_SIZE` they are smaller.

    Args:
        features: (B, C, H, W).

    Returns:
        (B, C + 1, H, W).
    """
    size = math.gcd(len(features), GROUP_SIZE)
    groups = features.unflatten(0, (-1, size))
    deviation = (groups.var(dim=1, unbiased=False) + DEVIATION_EPS).sqrt().mean(dim=(1, 2, 3))
    channel = deviation.repeat_interleave(size)[:, None, None, None].expand(-1, 1, *features.shape[2:])
    return torch.cat([features, channel], dim=1)
