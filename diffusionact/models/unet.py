"""The noise-predicting UNet of the diffusion autoencoder, conditioned on the time and on a semantic code.

One class serves the official 256 px network (the default arguments) and small ones. `patch_size` folds squares of
pixels into channels, so that a small network works at a fraction of the image's resolution.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.unets.unet_2d import UNet2DOutput
from torch import Tensor, nn

from .blocks import AttentionBlock, ConditionedResidualBlock, normalisation, zero_initialised
from .group_norm import normalised_silu


class DownBlock(nn.Module):
    """A residual block, with attention at the resolutions that have it."""

    def __init__(self, residual: ConditionedResidualBlock, attention: AttentionBlock | None):
        super().__init__()
        self.residual = residual
        self.attention = attention

    def forward(self, features: Tensor, time_embedding: Tensor, semantic_code: Tensor) -> Tensor:
        features = self.residual(features, time_embedding, semantic_code)
        return features if self.attention is None else self.attention(features)


class UpBlock(nn.Module):
    """A residual block over features and lateral, then attention and a doubling residual block where there are any."""

    def __init__(
        self,
        residual: ConditionedResidualBlock,
        attention: AttentionBlock | None,
        upsample: ConditionedResidualBlock | None,
    ):
        super().__init__()
        self.residual = residual
        self.attention = attention
        self.upsample = upsample

    def forward(self, features: Tensor, lateral: Tensor, time_embedding: Tensor, semantic_code: Tensor) -> Tensor:
        features = self.residual(torch.cat([features, lateral], dim=1), time_embedding, semantic_code)
        if self.attention is not None:
            features = self.attention(features)
        if self.upsample is not None:
            features = self.upsample(features, time_embedding, semantic_code)
        return features


class MiddleBlock(nn.Module):
    """Residual block, attention, residual block at the lowest resolution."""

    def __init__(self, first: ConditionedResidualBlock, attention: AttentionBlock, last: ConditionedResidualBlock):
        super().__init__()
        self.first = first
        self.attention = attention
        self.last = last

    def forward(self, features: Tensor, time_embedding: Tensor, semantic_code: Tensor) -> Tensor:
        features = self.attention(self.first(features, time_embedding, semantic_code))
        return self.last(features, time_embedding, semantic_code)


class UNet(ModelMixin, ConfigMixin):
    """Predict the noise (or the velocity, as the scheduler's `prediction_type` says) in x_t.

    The default arguments are the official `ffhq256_autoenc` network without its own copy of the encoder
    (138,341,891 parameters). Source: BeatGANsAutoencModel of the diffusion autoencoder, checked against its outputs.

    Args:
        sample_size: side of the image, pixels.
        in_channels: channels of the image.
        patch_size: side of the pixel squares folded into channels; 1 works on plain pixels.
        block_out_channels: width of every level, finest first.
        layers_per_block: residual blocks a level; the decoder has one more.
        attention_resolutions: sides of the feature maps that get self-attention; the middle always has it.
        semantic_dim: length of the semantic code.
        time_dim: length of the time embedding.
        norm_groups: groups of the normalisation.
        dropout: probability inside the residual blocks while training.
        guide_channels: channels of an image that the network sees beside the sample; 0 for none.
    """

    _supports_gradient_checkpointing = True

    @register_to_config
    def __init__(
        self,
        sample_size: int = 256,
        in_channels: int = 3,
        patch_size: int = 1,
        block_out_channels: tuple[int, ...] = (128, 128, 256, 256, 512, 512),
        layers_per_block: int = 2,
        attention_resolutions: tuple[int, ...] = (16,),
        semantic_dim: int = 512,
        time_dim: int = 512,
        norm_groups: int = 32,
        dropout: float = 0.1,
        guide_channels: int = 0,
    ):
        super().__init__()
        self.gradient_checkpointing = False
        widths, first = tuple(block_out_channels), block_out_channels[0]
        patch_channels = in_channels * patch_size**2

        def residual(in_width: int, out_width: int, kind: str = "none") -> ConditionedResidualBlock:
            return ConditionedResidualBlock(in_width, out_width, time_dim, semantic_dim, norm_groups, dropout, kind)

        def attention(width: int, resolution: int) -> AttentionBlock | None:
            return AttentionBlock(width, norm_groups) if resolution in attention_resolutions else None

        self.time_sinusoid = Timesteps(first, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(first, time_dim)
        self.conv_in = nn.Conv2d(patch_channels, first, 3, padding=1)
        if guide_channels:  # silent at the start, so that a trained network may be given a guide
            self.guide_in = zero_initialised(nn.Conv2d(guide_channels * patch_size**2, first, 3, padding=1))

        self.down_blocks = nn.ModuleList()
        current, resolution, lateral_widths = first, sample_size // patch_size, [first]
        for level, width in enumerate(widths):
            for _ in range(layers_per_block):
                self.down_blocks.append(DownBlock(residual(current, width), attention(width, resolution)))
                current = width
                lateral_widths.append(current)
            if level < len(widths) - 1:
                self.down_blocks.append(DownBlock(residual(current, current, "down"), None))
                resolution //= 2
                lateral_widths.append(current)

        middle_attention = AttentionBlock(current, norm_groups)
        self.middle_block = MiddleBlock(residual(current, current), middle_attention, residual(current, current))

        self.up_blocks = nn.ModuleList()
        for level, width in reversed(list(enumerate(widths))):
            for index in range(layers_per_block + 1):
                doubles = level > 0 and index == layers_per_block
                block = UpBlock(
                    residual(current + lateral_widths.pop(), width),
                    attention(width, resolution),
                    residual(width, width, "up") if doubles else None,
                )
                self.up_blocks.append(block)
                current = width
            resolution *= 2

        self.norm_out = normalisation(current, norm_groups)
        self.conv_out = zero_initialised(nn.Conv2d(current, patch_channels, 3, padding=1))

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | int,
        semantic_code: Tensor,
        return_dict: bool = True,
        guide: Tensor | None = None,
    ) -> UNet2DOutput | tuple[Tensor]:
        """Predict the noise in `sample`.

        Args:
            sample: (B, 3, H, W) float, x_t; H and W are `sample_size`.
            timestep: (B,) or scalar, 0..999 of the training schedule.
            semantic_code: (B, semantic_dim) float.
            return_dict: False returns a tuple of one tensor, as diffusers does.
            guide: (B, guide_channels, H, W) float, for a network that has such channels.

        Returns:
            An output whose `sample` is (B, 3, H, W): eps, or v for a network trained with v_prediction.

        Raises:
            ValueError: if a guide is missing, or there is one that the network has no channels for.
        """
        self._check_guide(guide)
        timesteps = torch.as_tensor(timestep, device=sample.device).reshape(-1).expand(len(sample))
        time_embedding = self.time_embedding(self.time_sinusoid(timesteps).to(sample.dtype))
        features = self.conv_in(F.pixel_unshuffle(sample, self.config.patch_size))
        if guide is not None:
            features = features + self.guide_in(F.pixel_unshuffle(guide, self.config.patch_size))
        laterals = [features]
        for block in self.down_blocks:
            features = self._run(block, features, time_embedding, semantic_code)
            laterals.append(features)
        features = self._run(self.middle_block, features, time_embedding, semantic_code)
        for block in self.up_blocks:
            features = self._run(block, features, laterals.pop(), time_embedding, semantic_code)
        prediction = self.conv_out(normalised_silu(self.norm_out, features))
        prediction = F.pixel_shuffle(prediction, self.config.patch_size)
        return UNet2DOutput(sample=prediction) if return_dict else (prediction,)

    def _check_guide(self, guide: Tensor | None) -> None:
        wanted, received = self.config.guide_channels, 0 if guide is None else guide.shape[1]
        if wanted != received:
            raise ValueError(
                f"Expected a guide of {wanted} channels beside the sample, received one of {received}. Give the guide "
                "that the network was made for: its configuration has guide_channels, 0 for none."
            )

    def _run(self, block: nn.Module, *inputs: Tensor) -> Tensor:
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return self._gradient_checkpointing_func(block, *inputs)
        return block(*inputs)
