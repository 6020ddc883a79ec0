"""The inversion encoder e4e (Tov et al. 2021): an image -> its latent code in W+, without an average added."""

from __future__ import annotations

import math
from itertools import accumulate

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from .. import residual_trunk
from .stylegan2 import EqualisedLinear

# Rows of a code that are read from the coarsest map, and from the middle one.
COARSE_ROWS = 3
MIDDLE_ROWS = 4
# The maps are what these blocks of the trunk give: the last of the second, third and fourth stage.
TAPS = tuple(end - 1 for end in accumulate(residual_trunk.BLOCKS))[1:]


class StyleHead(nn.Module):
    """A feature map -> one row of a latent code, by strided convolutions down to one pixel.

    Args:
        in_channels: of the map.
        style_dim: numbers of the row.
        size: side of the map, a power of two.
    """

    def __init__(self, in_channels: int, style_dim: int, size: int):
        super().__init__()
        self.convolutions = nn.Sequential()
        for index in range(int(math.log2(size))):
            self.convolutions.append(nn.Conv2d(style_dim if index else in_channels, style_dim, 3, 2, padding=1))
            self.convolutions.append(nn.LeakyReLU())  # 0.01, as in the official code
        self.linear = EqualisedLinear(style_dim, style_dim)

    def forward(self, features: Tensor) -> Tensor:
        """(B, in_channels, size, size) -> (B, style_dim)."""
        return self.linear(self.convolutions(features).flatten(1))


class InversionEncoder(ModelMixin, ConfigMixin):
    """Images -> latent codes in W+ which the generator draws after truncation.

    The default arguments are the official encoder (209,450,688 parameters).

    Args:
        sample_size: side of the image, pixels; a power of two of at least 32.
        width: channels of the first convolution.
        style_dim: numbers of a row.
        num_rows: rows of a code.
    """

    @register_to_config
    def __init__(self, sample_size: int = 256, width: int = 64, style_dim: int = 512, num_rows: int = 14):
        super().__init__()
        self.input_layer = residual_trunk.input_layer(width)
        self.body = residual_trunk.body(width)
        channels, size = 8 * width, sample_size // 16
        self.lateral_middle = nn.Conv2d(4 * width, channels, 1)
        self.lateral_fine = nn.Conv2d(2 * width, channels, 1)
        self.heads = nn.ModuleList(
            StyleHead(channels, style_dim, size * 2 ** _map_of_row(row)) for row in range(num_rows)
        )

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] -> (B, num_rows, style_dim); every row is the first one and its own change."""
        features, taps = self.input_layer(image), []
        for index, block in enumerate(self.body):
            features = block(features)
            if index in TAPS:
                taps.append(features)
        fine, middle, coarse = taps
        middle = _doubled(coarse) + self.lateral_middle(middle)
        fine = _doubled(middle) + self.lateral_fine(fine)
        maps = (coarse, middle, fine)
        changes = torch.stack([head(maps[_map_of_row(row)]) for row, head in enumerate(self.heads)], dim=1)
        return torch.cat([changes[:, :1], changes[:, :1] + changes[:, 1:]], dim=1)


def _map_of_row(row: int) -> int:
    """0: the coarsest map, 2: the finest."""
    return 0 if row < COARSE_ROWS else 1 if row < COARSE_ROWS + MIDDLE_ROWS else 2


def _doubled(features: Tensor) -> Tensor:
    """At twice the side; corners are pixel centres, as in the official code."""
    return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)
