"""The trunk of ArcFace's IR-SE50 (Deng et al. 2019), which the inversion encoder e4e shares: its layers by name.

Improved residual blocks with squeeze-and-excitation (Hu et al. 2018), under the names of the published files, which are
positions in sequences.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS = (3, 4, 14, 3)
OFFICIAL_WIDTH = 64
SQUEEZE = 16


class ChannelGate(nn.Module):
    """Squeeze and excitation: weighs each channel by what all channels' means say."""

    def __init__(self, channels: int):
        super().__init__()
        squeezed = max(1, channels // SQUEEZE)
        self.fc1 = nn.Conv2d(channels, squeezed, 1, bias=False)
        self.fc2 = nn.Conv2d(squeezed, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) of the same shape."""
        means = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(means))))


class GatedResidualBlock(nn.Module):
    """Two 3x3 convolutions, the second with the stride, gated, beside a shortcut."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        if in_channels == channels:
            self.shortcut_layer = nn.MaxPool2d(1, stride)
        else:
            projection = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
            self.shortcut_layer = nn.Sequential(projection, nn.BatchNorm2d(channels))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, channels, 3, padding=1, bias=False),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            ChannelGate(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C, H / stride, W / stride)."""
        return self.res_layer(x) + self.shortcut_layer(x)


def input_layer(width: int) -> nn.Sequential:
    """Images (B, 3, H, W) -> (B, width, H, W)."""
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width))


def body(width: int) -> nn.Sequential:
    """24 blocks in four stages, each of which halves the side; (B, width, H, W) -> (B, 8 width, H / 16, W / 16)."""
    blocks, channels = nn.Sequential(), width
    for stage, count in enumerate(BLOCKS):
        for block in range(count):
            blocks.append(GatedResidualBlock(channels, width * 2**stage, 2 if block == 0 else 1))
            channels = width * 2**stage
    return blocks
