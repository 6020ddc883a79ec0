"""The ResNet-50 trunk that the gaze network and both coefficient encoders share: an image to one feature vector.

Bottleneck blocks (He et al. 2015) with the stride on the 3x3 convolution. The width is an argument, so
that tests can use narrow networks.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS_PER_STAGE = (3, 4, 6, 3)
OFFICIAL_WIDTH = 64
EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution around a skip connection, which is projected where the shape changes."""

    def __init__(self, in_channels: int, width: int, stride: int):
        super().__init__()
        out_channels = width * EXPANSION
        self.conv_1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.norm_1 = nn.BatchNorm2d(width)
        self.conv_2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.norm_2 = nn.BatchNorm2d(width)
        self.conv_3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.norm_3 = nn.BatchNorm2d(out_channels)
        self.skip = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.skip = nn.Sequential(projection, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 4 width, H / stride, W / stride)."""
        hidden = F.relu(self.norm_1(self.conv_1(x)))
        hidden = F.relu(self.norm_2(self.conv_2(hidden)))
        return F.relu(self.norm_3(self.conv_3(hidden)) + self.skip(x))


class ResidualNet(nn.Module):
    """ResNet-50 without its classifier.

    Args:
        width: channels of the first convolution; the official networks have 64.
    """

    def __init__(self, width: int = OFFICIAL_WIDTH):
        super().__init__()
        self.conv_in = nn.Conv2d(3, width, 7, 2, padding=3, bias=False)
        self.norm_in = nn.BatchNorm2d(width)
        self.stages = nn.ModuleList()
        channels = width
        for index, blocks in enumerate(BLOCKS_PER_STAGE):
            stage = nn.Sequential()
            for block in range(blocks):
                stride = 2 if index > 0 and block == 0 else 1
                stage.append(Bottleneck(channels, width * 2**index, stride))
                channels = width * 2**index * EXPANSION
            self.stages.append(stage)
        self.num_features = channels

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) float, range as the user of the trunk says -> (B, 32 width)."""
        hidden = F.relu(self.norm_in(self.conv_in(images)))
        hidden = F.max_pool2d(hidden, 3, 2, padding=1)
        for stage in self.stages:
            hidden = stage(hidden)
        return torch.flatten(F.adaptive_avg_pool2d(hidden, 1), 1)
