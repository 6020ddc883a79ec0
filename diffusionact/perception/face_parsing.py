"""Parsing of faces by BiSeNet (Yu et al. 2018, ResNet-18) for the background loss, under the published file's names.

The paper cites BiSeNet V2 without naming weights; this is the layout of the face parsing network in common use
(zllrunning/face-parsing.PyTorch, 19 classes of CelebAMask-HQ).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .standardising import IMAGENET_MEAN, IMAGENET_STD, standardise

OFFICIAL_WIDTH = 64
OFFICIAL_INPUT_PX = 512
NUM_CLASSES = 19
# Classes that the background loss keeps: "the background and hair areas" (paper, section C).
BACKGROUND, HAIR = 0, 17


class ConvNorm(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, in_channels: int, channels: int, kernel: int = 3):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C, H, W)."""
        return F.relu(self.bn(self.conv(x)))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a skip connection, which is projected where the shape changes."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.downsample = nn.Identity()
        if stride != 1 or in_channels != channels:
            projection = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C, H / stride, W / stride)."""
        hidden = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(hidden + self.downsample(x))


class ResNet18(nn.Module):
    """ResNet-18 without its classifier."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        channels = [width, width, 2 * width, 4 * width, 8 * width]
        for stage in range(1, 5):
            first = BasicBlock(channels[stage - 1], channels[stage], 1 if stage == 1 else 2)
            setattr(self, f"layer{stage}", nn.Sequential(first, BasicBlock(channels[stage], channels[stage], 1)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) -> maps of an eighth, a sixteenth and a thirty-second of the size."""
        hidden = self.layer1(F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, padding=1))
        eighth = self.layer2(hidden)
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class AttentionRefinement(nn.Module):
    """Convolution whose channels are weighed by their means."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.conv = ConvNorm(in_channels, channels)
        self.conv_atten = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C, H, W)."""
        hidden = self.conv(x)
        means = hidden.mean(dim=(2, 3), keepdim=True)
        return hidden * torch.sigmoid(self.bn_atten(self.conv_atten(means)))


class ContextPath(nn.Module):
    """ResNet-18 whose coarse maps are refined, and added into the finer ones."""

    def __init__(self, width: int):
        super().__init__()
        self.resnet = ResNet18(width)
        self.arm16 = AttentionRefinement(4 * width, 2 * width)
        self.arm32 = AttentionRefinement(8 * width, 2 * width)
        self.conv_head16 = ConvNorm(2 * width, 2 * width)
        self.conv_head32 = ConvNorm(2 * width, 2 * width)
        self.conv_avg = ConvNorm(8 * width, 2 * width, kernel=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> fine and coarse features, both of an eighth of the size."""
        eighth, sixteenth, thirty_second = self.resnet(x)
        mean = self.conv_avg(thirty_second.mean(dim=(2, 3), keepdim=True))
        coarse = F.interpolate(self.arm32(thirty_second) + mean, size=sixteenth.shape[-2:], mode="nearest")
        middle = self.arm16(sixteenth) + self.conv_head32(coarse)
        return eighth, self.conv_head16(F.interpolate(middle, size=eighth.shape[-2:], mode="nearest"))


class FeatureFusion(nn.Module):
    """Joins fine and coarse features, and weighs channels by their means."""

    def __init__(self, channels: int):
        super().__init__()
        self.convblk = ConvNorm(channels, channels, kernel=1)
        self.conv1 = nn.Conv2d(channels, channels // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(channels // 4, channels, 1, bias=False)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Twice (B, C / 2, H, W) -> (B, C, H, W)."""
        hidden = self.convblk(torch.cat([fine, coarse], dim=1))
        means = hidden.mean(dim=(2, 3), keepdim=True)
        return hidden * torch.sigmoid(self.conv2(F.relu(self.conv1(means)))) + hidden


class ClassScores(nn.Module):
    """Features to scores of the classes."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.conv = ConvNorm(in_channels, channels)
        self.conv_out = nn.Conv2d(channels, NUM_CLASSES, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, 19, H, W)."""
        return self.conv_out(self.conv(x))


class FaceParsing(nn.Module):
    """BiSeNet for faces.

    Args:
        width: channels of the first convolution; the published network has 64.
        input_size: side of the square that the network sees, pixels; the published network saw 512.
    """

    # Scores of coarser maps, of use in its own training only.
    unused_prefixes = ("conv_out16.", "conv_out32.")

    def __init__(self, width: int = OFFICIAL_WIDTH, input_size: int = OFFICIAL_INPUT_PX):
        super().__init__()
        self.input_size = input_size
        self.cp = ContextPath(width)
        self.ffm = FeatureFusion(4 * width)
        self.conv_out = ClassScores(4 * width, 4 * width)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], input_size: int = OFFICIAL_INPUT_PX) -> FaceParsing:
        """The network of a file's tensors."""
        network = cls(len(state["cp.resnet.conv1.weight"]), input_size)
        network.load_state_dict({k: v for k, v in state.items() if not k.startswith(cls.unused_prefixes)})
        return network

    def scores(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] -> scores of the classes (B, 19, input_size, input_size)."""
        size = (self.input_size, self.input_size)
        square = F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)
        scores = self.conv_out(self.ffm(*self.cp(standardise(square, IMAGENET_MEAN, IMAGENET_STD))))
        return F.interpolate(scores, size=size, mode="bilinear", align_corners=True)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Mask of background and hair; without a gradient, as a class is either chosen or not.

        Args:
            images: (B, 3, H, W) in [-1, 1].

        Returns:
            (B, 1, H, W), 0 or 1.
        """
        scores = F.interpolate(self.scores(images), size=images.shape[-2:], mode="bilinear", align_corners=False)
        classes = scores.argmax(dim=1, keepdim=True)
        return ((classes == BACKGROUND) | (classes == HAIR)).to(images.dtype)
