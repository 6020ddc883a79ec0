"""StyleGAN2's generator (Karras et al. 2020): latent codes -> images, with fixed noise maps, so the same in every run.

Layer and parameter order follow rosinality/stylegan2-pytorch, whose files the authors publish. Plain torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from .resampling import blur_kernel, doubled, filter_resampled

LEAK = 0.2
# Keeps the variance after the leaky ReLU.
ACTIVATION_GAIN = math.sqrt(2.0)
NORM_EPS = 1e-8
START_SIZE = 4
NO_SHIFTS: Mapping[int, Tensor] = {}


class EqualisedLinear(nn.Module):
    """y = x W^T * rate / sqrt(inputs) + rate * b: the weights are stored at unit variance and scaled at run time.

    Args:
        num_in: inputs.
        num_out: outputs.
        bias: initial value of the bias.
        rate: the layer's share of the learning rate.
    """

    def __init__(self, num_in: int, num_out: int, bias: float = 0.0, rate: float = 1.0):
        super().__init__()
        self.rate = rate
        self.weight = nn.Parameter(torch.randn(num_out, num_in) / rate)
        self.bias = nn.Parameter(torch.full((num_out,), bias))

    def forward(self, x: Tensor) -> Tensor:
        """(B, num_in) -> (B, num_out)."""
        return F.linear(x, self.weight * (self.rate / math.sqrt(self.weight.shape[1])), self.bias * self.rate)


class MappingNetwork(nn.Module):
    """z of N(0, I) -> latent code w.

    Args:
        style_dim: numbers of z and w.
        num_layers: linear layers.
    """

    RATE = 0.01

    def __init__(self, style_dim: int, num_layers: int):
        super().__init__()
        self.layers = nn.ModuleList(EqualisedLinear(style_dim, style_dim, rate=self.RATE) for _ in range(num_layers))

    def forward(self, z: Tensor) -> Tensor:
        """(B, style_dim) -> (B, style_dim)."""
        w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + NORM_EPS)
        for layer in self.layers:
            w = activate(layer(w))
        return w


class ModulatedConvolution(nn.Module):
    """A convolution whose weights are scaled for each sample by its style (sections 2.2 and B of the paper).

    The input is scaled instead of the weights, and the output by the norm of the scaled weights, which is the same and
    keeps one set of weights for the whole batch.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: 1 or 3.
        style_dim: numbers of a latent code.
        demodulate: divide by the norm of the scaled weights.
        up: double the size.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        style_dim: int,
        demodulate: bool = True,
        up: bool = False,
    ):
        super().__init__()
        self.demodulate, self.up = demodulate, up
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.modulation = EqualisedLinear(style_dim, in_channels, bias=1.0)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Features (B, in, H, W) and latent codes (B, style_dim) -> (B, out, H, W), or twice as large."""
        style, weight = self.modulation(w), self.weight / math.sqrt(self.weight[0].numel())
        y = x * style[:, :, None, None]
        if self.up:
            # The stored kernel goes in as it is; the blur restores what the transposed convolution spreads.
            y = F.conv_transpose2d(y, weight.transpose(0, 1), stride=2)
            y = filter_resampled(y, blur_kernel(gain=4.0), pad=(1, 1))
        else:
            y = F.conv2d(y, weight, padding=weight.shape[-1] // 2)
        return y * self._norms(weight, style)[:, :, None, None] if self.demodulate else y

    def _norms(self, weight: Tensor, style: Tensor) -> Tensor:
        """(B, out) 1 / norm of each sample's weights, summed in float32."""
        squares = weight.float().square().sum((2, 3))
        return torch.rsqrt(style.float().square() @ squares.T + NORM_EPS).to(style)


class StyledLayer(nn.Module):
    """Modulated convolution, fixed noise, bias, leaky ReLU.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        style_dim: numbers of a latent code.
        size: side of the output, pixels.
        up: the input has half of that side.
    """

    def __init__(self, in_channels: int, out_channels: int, style_dim: int, size: int, up: bool):
        super().__init__()
        self.convolution = ModulatedConvolution(in_channels, out_channels, 3, style_dim, up=up)
        self.noise_strength = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("noise", torch.randn(1, 1, size, size))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Features and latent codes (B, style_dim) -> (B, out, size, size)."""
        y = self.convolution(x, w) + self.noise_strength * self.noise
        return activate(y + self.bias[:, None, None])


class ToRGB(nn.Module):
    """Features to an image, on top of the doubled image of the level below; without demodulation."""

    def __init__(self, in_channels: int, style_dim: int):
        super().__init__()
        self.convolution = ModulatedConvolution(in_channels, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        """(B, in, S, S) and latent codes (B, style_dim) -> the level's part (B, 3, S, S) of the image."""
        return self.convolution(features, w) + self.bias[:, None, None]


class StyleGAN2(ModelMixin, ConfigMixin):
    """Latent codes W+ -> images.

    The default arguments are the authors' VoxCeleb generator (24,767,458 parameters). FFHQ at 256 px has
    `channels=(512, 512, 512, 512, 512, 256, 128)`; 1024 px two levels more, of 64 and 32.

    Row i of a code goes into layer i, and the last level of an image takes the row of the next layer, so that there is
    one row more than layers: 14 for 256 px.

    Args:
        channels: of every level, 4 px first; each level doubles the side.
        style_dim: numbers of a row of a latent code.
        mapping_layers: linear layers from z to w.
    """

    @register_to_config
    def __init__(
        self,
        channels: tuple[int, ...] = (512, 512, 512, 512, 256, 128, 64),
        style_dim: int = 512,
        mapping_layers: int = 8,
    ):
        super().__init__()
        self.mapping = MappingNetwork(style_dim, mapping_layers)
        self.constant = nn.Parameter(torch.randn(1, channels[0], START_SIZE, START_SIZE))
        self.layers = nn.ModuleList([StyledLayer(channels[0], channels[0], style_dim, START_SIZE, up=False)])
        self.to_rgb = nn.ModuleList([ToRGB(channels[0], style_dim)])
        for level, (before, after) in enumerate(zip(channels, channels[1:], strict=False), start=1):
            size = START_SIZE * 2**level
            self.layers.append(StyledLayer(before, after, style_dim, size, up=True))
            self.layers.append(StyledLayer(after, after, style_dim, size, up=False))
            self.to_rgb.append(ToRGB(after, style_dim))
        # Set by whoever has the weights, see `sampled_mean_latent`.
        self.register_buffer("mean_latent", torch.zeros(1, style_dim))

    @property
    def sample_size(self) -> int:
        """Side of the images, pixels."""
        return START_SIZE * 2 ** (len(self.config.channels) - 1)

    @property
    def num_rows(self) -> int:
        """Rows of a latent code in W+."""
        return 2 * len(self.config.channels)

    def forward(self, w_plus: Tensor, feature_shifts: Mapping[int, Tensor] = NO_SHIFTS) -> Tensor:
        """Draw latent codes as they are: truncate before, see `truncate`.

        Args:
            w_plus: (B, num_rows, style_dim).
            feature_shifts: index of a layer -> (B, C, S, S), added to its output before the next layer and the image.
                Where the authors' feature-space refinement is added is not published; this place is assumed.

        Returns:
            (B, 3, S, S), about [-1, 1].
        """
        w_plus = w_plus.to(self.constant.dtype)
        features = self.constant.expand(len(w_plus), -1, -1, -1)
        images = w_plus.new_zeros(len(w_plus), 3, START_SIZE // 2, START_SIZE // 2)  # below the first level is nothing
        for index, layer in enumerate(self.layers):
            features = layer(features, w_plus[:, index])
            if index in feature_shifts:
                features = features + feature_shifts[index].to(features)
            if index % 2 == 0:  # the last layer of a level
                images = doubled(images) + self.to_rgb[index // 2](features, w_plus[:, index + 1])
        return images

    def truncate(self, w_plus: Tensor, truncation: float) -> Tensor:
        """Draw latent codes (B, R, style_dim) towards the mean: m + truncation (w - m)."""
        mean = self.mean_latent.to(w_plus)
        return mean + truncation * (w_plus - mean)

    @torch.no_grad()
    def sampled_mean_latent(self, num_samples: int = 2**17, seed: int = 0, chunk: int = 4096) -> Tensor:
        """(1, style_dim) mean of w over z of N(0, I), summed in float64; the same for the same seed.

        The authors draw 4,096 at every start, so that their own output changes a little from run to run.
        """
        generator = torch.Generator().manual_seed(seed)
        total = torch.zeros(self.config.style_dim, dtype=torch.float64)
        for start in range(0, num_samples, chunk):
            z = torch.randn(min(chunk, num_samples - start), self.config.style_dim, generator=generator)
            total += self.mapping(z.to(self.constant)).double().sum(0).cpu()
        return (total / num_samples).float()[None]


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU that keeps the variance."""
    return F.leaky_relu(x, LEAK) * ACTIVATION_GAIN
