"""2D-FAN-4: a 256 px face crop to 68 heat maps, in four stacked hourglasses.

Source: Bulat and Tzimiropoulos 2017, with the layer order of the official network; held against its output in
tests/face/readers/emoca/test_emoca_landmark_net.py. The crop and the reading of the maps are in `landmark_crop.py`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...geometry.ibug68 import NUM_LANDMARKS

OFFICIAL_WIDTH = 64
NUM_STACKS = 4
HOURGLASS_DEPTH = 4


class FanBlock(nn.Module):
    """Three chained 3x3 convolutions whose outputs are joined, around a skip connection; norm and ReLU come first."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        half, quarter = out_channels // 2, out_channels // 4
        self.norm_1, self.conv_1 = nn.BatchNorm2d(in_channels), _conv3x3(in_channels, half)
        self.norm_2, self.conv_2 = nn.BatchNorm2d(half), _conv3x3(half, quarter)
        self.norm_3, self.conv_3 = nn.BatchNorm2d(quarter), _conv3x3(quarter, quarter)
        self.projects = in_channels != out_channels
        if self.projects:
            self.skip_norm = nn.BatchNorm2d(in_channels)
            self.skip_conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, H, W)."""
        first = self.conv_1(F.relu(self.norm_1(x)))
        second = self.conv_2(F.relu(self.norm_2(first)))
        third = self.conv_3(F.relu(self.norm_3(second)))
        skip = self.skip_conv(F.relu(self.skip_norm(x))) if self.projects else x
        return torch.cat([first, second, third], dim=1) + skip


class Hourglass(nn.Module):
    """Halves, works inside, doubles again, and adds what the skip branch kept at full size."""

    def __init__(self, channels: int, depth: int):
        super().__init__()
        self.skip = FanBlock(channels, channels)
        self.before = FanBlock(channels, channels)
        self.inner = Hourglass(channels, depth - 1) if depth > 1 else FanBlock(channels, channels)
        self.after = FanBlock(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) of the same shape; H and W are multiples of 2 ** depth."""
        hidden = self.after(self.inner(self.before(F.avg_pool2d(x, 2, 2))))
        return self.skip(x) + F.interpolate(hidden, scale_factor=2, mode="nearest")


class FanStack(nn.Module):
    """One hourglass with its heat maps and, unless it is the last, what it hands to the next."""

    def __init__(self, channels: int, is_last: bool):
        super().__init__()
        self.hourglass = Hourglass(channels, HOURGLASS_DEPTH)
        self.block = FanBlock(channels, channels)
        self.conv = nn.Conv2d(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)
        self.to_heatmaps = nn.Conv2d(channels, NUM_LANDMARKS, 1)
        self.is_last = is_last
        if not is_last:
            self.features_back = nn.Conv2d(channels, channels, 1)
            self.heatmaps_back = nn.Conv2d(NUM_LANDMARKS, channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, 64, 64) -> input of the next stack, same shape, and heat maps (B, 68, 64, 64)."""
        features = F.relu(self.norm(self.conv(self.block(self.hourglass(x)))))
        heatmaps = self.to_heatmaps(features)
        if self.is_last:
            return features, heatmaps
        return x + self.features_back(features) + self.heatmaps_back(heatmaps), heatmaps


class LandmarkNet(nn.Module):
    """2D-FAN-4.

    Args:
        width: channels of the first convolution; the official network has 64.
    """

    def __init__(self, width: int = OFFICIAL_WIDTH):
        super().__init__()
        self.conv_in = nn.Conv2d(3, width, 7, 2, padding=3)
        self.norm_in = nn.BatchNorm2d(width)
        self.blocks_in = nn.ModuleList(
            [FanBlock(width, 2 * width), FanBlock(2 * width, 2 * width), FanBlock(2 * width, 4 * width)]
        )
        self.stacks = nn.ModuleList(FanStack(4 * width, index == NUM_STACKS - 1) for index in range(NUM_STACKS))

    def forward(self, crops: Tensor) -> Tensor:
        """Heat maps of the last stack.

        Args:
            crops: (B, 3, 256, 256) RGB in [0, 1).

        Returns:
            (B, 68, 64, 64) float, no fixed range.
        """
        return self.all_heatmaps(crops)[-1]

    def all_heatmaps(self, crops: Tensor) -> list[Tensor]:
        """Heat maps of each stack in turn, for losses; arguments as for `forward`."""
        hidden = self.blocks_in[0](F.relu(self.norm_in(self.conv_in(crops))))
        hidden = self.blocks_in[2](self.blocks_in[1](F.avg_pool2d(hidden, 2, 2)))
        heatmaps = []
        for stack in self.stacks:
            hidden, maps = stack(hidden)
            heatmaps.append(maps)
        return heatmaps


def _conv3x3(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
