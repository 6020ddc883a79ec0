"""The image encoder of FaRL (Zheng et al. 2022) for the style loss: CLIP's ViT-B/16, under CLIP's names."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .standardising import CLIP_MEAN, CLIP_STD, standardise

OFFICIAL_WIDTH = 768
OFFICIAL_LAYERS = 12
OFFICIAL_FEATURES = 512
PATCH_PX = 16
GRID = 14
HEAD_WIDTH = 64
# The published file holds the text encoder too; only names with this prefix are of the image encoder.
PREFIX = "visual."
# CLIP's approximation of GELU: x * sigmoid(1.702 x).
QUICK_GELU = 1.702


class Mlp(nn.Module):
    """Two linear layers around CLIP's activation."""

    def __init__(self, width: int):
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) of the same shape."""
        hidden = self.c_fc(x)
        return self.c_proj(hidden * torch.sigmoid(QUICK_GELU * hidden))


class AttentionBlock(nn.Module):
    """Self-attention and a small network, each around a skip connection, norm first."""

    def __init__(self, width: int):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, max(1, width // HEAD_WIDTH), batch_first=True)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) of the same shape."""
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class FaRL(nn.Module):
    """Feature vectors of faces.

    Args:
        width: of a token; the published network has 768.
        layers: of the transformer; the published network has 12.
        features: numbers of the result; the published network has 512.
        grid: patches of 16 px along a side; the published network has 14, for 224 px.
    """

    def __init__(
        self,
        width: int = OFFICIAL_WIDTH,
        layers: int = OFFICIAL_LAYERS,
        features: int = OFFICIAL_FEATURES,
        grid: int = GRID,
    ):
        super().__init__()
        self.input_size = grid * PATCH_PX
        self.conv1 = nn.Conv2d(3, width, PATCH_PX, PATCH_PX, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(grid**2 + 1, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(AttentionBlock(width) for _ in range(layers))
        self.proj = nn.Parameter(torch.zeros(width, features))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> FaRL:
        """The network of a file's tensors, those of the text encoder left out."""
        own = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
        tokens, width = own["positional_embedding"].shape
        layers = sum(name.endswith(".attn.in_proj_weight") for name in own)
        network = cls(width, layers, own["proj"].shape[1], round((tokens - 1) ** 0.5))
        network.load_state_dict(own)
        return network

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1], resized to the network's square -> (B, features), any length."""
        square = F.interpolate(
            images, size=(self.input_size, self.input_size), mode="bicubic", align_corners=False, antialias=True
        )
        patches = self.conv1(standardise(square, CLIP_MEAN, CLIP_STD)).flatten(2).transpose(1, 2)  # (B, N, width)
        start = self.class_embedding.expand(len(images), 1, -1)
        tokens = self.ln_pre(torch.cat([start, patches], dim=1) + self.positional_embedding)
        for block in self.transformer.resblocks:
            tokens = block(tokens)
        return self.ln_post(tokens[:, 0]) @ self.proj
