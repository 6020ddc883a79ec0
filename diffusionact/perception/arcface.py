"""ArcFace's IR-SE50 (Deng et al. 2019) for the identity loss, under the names of the published file.

Improved residual blocks with squeeze-and-excitation (Hu et al. 2018) on the crop of `identity_crops.py`; names are
positions in sequences.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .identity_crops import identity_crops

BLOCKS = (3, 4, 14, 3)
OFFICIAL_WIDTH = 64
OFFICIAL_EMBEDDING = 512
SQUEEZE = 16
DROPOUT = 0.6  # without effect here; it holds a place in the published sequence
FINAL_SIZE = 7


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


class ResidualBlock(nn.Module):
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


class ArcFace(nn.Module):
    """Identity embeddings of faces.

    Args:
        width: channels of the first convolution; the published network has 64.
        embedding: numbers of an embedding; the published network has 512.
    """

    def __init__(self, width: int = OFFICIAL_WIDTH, embedding: int = OFFICIAL_EMBEDDING):
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
        )
        self.body = nn.Sequential()
        channels = width
        for stage, blocks in enumerate(BLOCKS):
            for block in range(blocks):
                self.body.append(ResidualBlock(channels, width * 2**stage, 2 if block == 0 else 1))
                channels = width * 2**stage
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Dropout(DROPOUT),
            nn.Flatten(),
            nn.Linear(channels * FINAL_SIZE**2, embedding),
            nn.BatchNorm1d(embedding),
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> ArcFace:
        """The network of a file's tensors."""
        network = cls(len(state["input_layer.0.weight"]), len(state["output_layer.3.weight"]))
        network.load_state_dict(dict(state))
        return network

    def forward(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Embeddings of unit length; differentiable in the images.

        Args:
            images: (B, 3, H, W) RGB in [-1, 1].
            landmarks: (B, 68, 2) px of them.

        Returns:
            (B, embedding).
        """
        return F.normalize(self.embed_crops(identity_crops(images, landmarks)), dim=-1)

    def embed_crops(self, crops: Tensor) -> Tensor:
        """Crops (B, 3, 112, 112) RGB in [-1, 1] -> embeddings (B, embedding) of any length."""
        return self.output_layer(self.body(self.input_layer(crops)))
