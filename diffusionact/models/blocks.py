"""Building blocks of the diffusion autoencoder's networks: residual blocks, attention, patches.

Names are ours; the arithmetic is that of the official networks, so that converted weights give the same numbers.
Feature maps are (B, C, H, W).
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from .group_norm import Modulation, modulated_silu, normalised, normalised_silu

Resample = Literal["none", "down", "up"]


def normalisation(channels: int, groups: int) -> nn.GroupNorm:
    """GroupNorm with the official epsilon; `groups` is lowered to a divisor of `channels` where it must be."""
    while channels % groups:
        groups -= 1
    return nn.GroupNorm(groups, channels, eps=1e-5)


def zero_initialised(module: nn.Module) -> nn.Module:
    """Return `module` with all parameters at zero, so that its branch is silent at the start of training."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def resample(features: Tensor, kind: Resample) -> Tensor:
    """Halve by averaging, double by nearest neighbour, or leave the (B, C, H, W) features as they are."""
    if kind == "down":
        return F.avg_pool2d(features, 2)
    if kind == "up":
        return F.interpolate(features, scale_factor=2.0, mode="nearest")
    return features


def skip_projection(in_channels: int, out_channels: int) -> nn.Module:
    """The residual path: 1x1 convolution where the width changes, else nothing."""
    return nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()


class ResidualBlock(nn.Module):
    """Unconditioned residual block of the semantic encoder.

    The official block drops its whole second half where there is no condition: one convolution only.
    Resampling sits between the activation and the convolution, and on the skip path.
    """

    def __init__(self, in_channels: int, out_channels: int, norm_groups: int = 32, kind: Resample = "none"):
        super().__init__()
        self.kind = kind
        self.norm = normalisation(in_channels, norm_groups)
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.skip = skip_projection(in_channels, out_channels)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, H', W')."""
        hidden = self.conv(resample(normalised_silu(self.norm, features), self.kind))
        return self.skip(resample(features, self.kind)) + hidden


class ConditionedResidualBlock(nn.Module):
    """Residual block of the UNet, modulated by time (scale and shift) and then by the semantic code (scale only)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        time_dim: int,
        semantic_dim: int,
        norm_groups: int = 32,
        dropout: float = 0.0,
        kind: Resample = "none",
    ):
        super().__init__()
        self.kind = kind
        self.norm_in = normalisation(in_channels, norm_groups)
        self.conv_in = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time_projection = nn.Linear(time_dim, 2 * out_channels)
        self.semantic_projection = nn.Linear(semantic_dim, out_channels)
        self.norm_out = normalisation(out_channels, norm_groups)
        self.dropout = nn.Dropout(dropout)
        self.conv_out = zero_initialised(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        self.skip = skip_projection(in_channels, out_channels)

    def forward(self, features: Tensor, time_embedding: Tensor, semantic_code: Tensor) -> Tensor:
        """(B, C_in, H, W), (B, time_dim), (B, semantic_dim) -> (B, C_out, H', W')."""
        hidden = self.conv_in(resample(normalised_silu(self.norm_in, features), self.kind))
        scale, shift = self.time_projection(F.silu(time_embedding))[..., None, None].chunk(2, dim=1)
        semantic_scale = self.semantic_projection(F.silu(semantic_code))[..., None, None]
        hidden = modulated_silu(self.norm_out, hidden, Modulation(scale, shift, semantic_scale))
        hidden = self.conv_out(self.dropout(hidden))
        return self.skip(resample(features, self.kind)) + hidden


class AttentionBlock(nn.Module):
    """Residual self-attention with one head over all positions of a feature map."""

    def __init__(self, channels: int, norm_groups: int = 32):
        super().__init__()
        self.norm = normalisation(channels, norm_groups)
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.to_out = zero_initialised(nn.Linear(channels, channels))
        self._attend = F.scaled_dot_product_attention

    def set_use_memory_efficient_attention_xformers(self, valid: bool, attention_op: object = None) -> None:
        """Hook of diffusers' `enable_xformers_memory_efficient_attention`; `attention_op` is left to xformers."""
        if not valid:
            self._attend = F.scaled_dot_product_attention
            return
        from xformers.ops import memory_efficient_attention

        def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            return memory_efficient_attention(query, key, value, op=attention_op)

        self._attend = attend

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        batch, channels, height, width = features.shape
        tokens = normalised(self.norm, features).reshape(batch, channels, height * width).transpose(1, 2)  # (B, N, C)
        query, key, value = self.to_qkv(tokens).chunk(3, dim=-1)
        mixed = self._attend(query, key, value)
        return features + self.to_out(mixed).transpose(1, 2).reshape(batch, channels, height, width)
