"""The semantic encoder of the diffusion autoencoder: image -> semantic code z."""

from __future__ import annotations

import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from .blocks import AttentionBlock, ResidualBlock, normalisation


class EncoderBlock(nn.Module):
    """A residual block, with attention at the resolutions that have it."""

    def __init__(self, residual: ResidualBlock, attention: AttentionBlock | None):
        super().__init__()
        self.residual = residual
        self.attention = attention

    def forward(self, features: Tensor) -> Tensor:
        features = self.residual(features)
        return features if self.attention is None else self.attention(features)


class SemanticEncoder(ModelMixin, ConfigMixin):
    """Encode images into semantic codes.

    The default arguments are the official encoder (30,150,400 parameters). Source: BeatGANsEncoderModel with the
    pooling `adaptivenonzero` of the diffusion autoencoder, checked against its outputs.

    Args:
        sample_size: side of the image, pixels.
        in_channels: channels of the image.
        patch_size: side of the pixel squares folded into channels; 1 works on plain pixels.
        block_out_channels: width of every level, finest first.
        layers_per_block: residual blocks a level.
        attention_resolutions: sides of the feature maps that get self-attention; the middle always has it.
        semantic_dim: length of the code.
        pool_size: side of the grid that is averaged to before the last projection; 1 is the official global average,
            more keeps where things are, which small networks need to see small movements.
        norm_groups: groups of the normalisation.
    """

    _supports_gradient_checkpointing = True

    @register_to_config
    def __init__(
        self,
        sample_size: int = 256,
        in_channels: int = 3,
        patch_size: int = 1,
        block_out_channels: tuple[int, ...] = (128, 128, 256, 256, 512, 512, 512),
        layers_per_block: int = 2,
        attention_resolutions: tuple[int, ...] = (16,),
        semantic_dim: int = 512,
        pool_size: int = 1,
        norm_groups: int = 32,
    ):
        super().__init__()
        self.gradient_checkpointing = False
        current, resolution = block_out_channels[0], sample_size // patch_size
        self.conv_in = nn.Conv2d(in_channels * patch_size**2, current, 3, padding=1)
        self.blocks = nn.ModuleList()
        for level, width in enumerate(block_out_channels):
            for _ in range(layers_per_block):
                attention = AttentionBlock(width, norm_groups) if resolution in attention_resolutions else None
                self.blocks.append(EncoderBlock(ResidualBlock(current, width, norm_groups), attention))
                current = width
            if level < len(block_out_channels) - 1:
                self.blocks.append(EncoderBlock(ResidualBlock(current, current, norm_groups, "down"), None))
                resolution //= 2
        self.middle_block = nn.Sequential(
            ResidualBlock(current, current, norm_groups),
            AttentionBlock(current, norm_groups),
            ResidualBlock(current, current, norm_groups),
        )
        self.norm_out = normalisation(current, norm_groups)
        self.projection = nn.Conv2d(current, semantic_dim, pool_size)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> semantic code (B, semantic_dim)."""
        features = self.conv_in(F.pixel_unshuffle(image, self.config.patch_size))
        for block in [*self.blocks, self.middle_block]:
            if self.gradient_checkpointing and features.requires_grad:
                features = self._gradient_checkpointing_func(block, features)
            else:
                features = block(features)
        pooled = F.adaptive_avg_pool2d(F.silu(self.norm_out(features)), self.config.pool_size)
        return self.projection(pooled).flatten(1)
