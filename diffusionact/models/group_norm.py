"""GroupNorm, modulation and SiLU as one operation where networks run in half precision.

    SiLU((GroupNorm(x) (1 + scale) + shift) (1 + semantic_scale)) = SiLU(a x + b)

with one a and one b per image and channel, which hold mean, deviation, the layer's weights and the modulation. Float32,
training and torch.compile, which joins operations itself, take the official order of operations.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from subprocess import SubprocessError
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

logger = logging.getLogger(__name__)

# Below so many pixels GroupNorm of channels-last maps takes another algorithm on the CPU (`feature_map_threshold` of
# ATen), up to ten times as slow in bfloat16.
MIN_NATIVE_PIXELS = 1024


@dataclass(frozen=True)
class Modulation:
    """What time and semantic code do to normalised features, each (B, C, 1, 1).

    Attributes:
        scale, shift: of the time: x (1 + scale) + shift.
        semantic_scale: of the semantic code, after that: x (1 + semantic_scale).
    """

    scale: Tensor
    shift: Tensor
    semantic_scale: Tensor

    def coefficients(self) -> tuple[Tensor, Tensor]:
        """The same as one factor and one addend."""
        factor = 1 + self.semantic_scale
        return (1 + self.scale) * factor, self.shift * factor


def normalised(norm: nn.GroupNorm, features: Tensor) -> Tensor:
    """GroupNorm of features (B, C, H, W)."""
    if not _folds(norm, features) or not _is_small_on_cpu(features):
        return norm(features)
    return _affine(features, *_coefficients(norm, features))


def normalised_silu(norm: nn.GroupNorm, features: Tensor) -> Tensor:
    """SiLU of the GroupNorm of features (B, C, H, W)."""
    if not _folds(norm, features):
        return F.silu(norm(features))
    if features.is_cuda and (kernels := _kernels(features.device)) is not None:
        return kernels.affine_silu(norm, features)
    return F.silu(normalised(norm, features), inplace=True)


def modulated_silu(norm: nn.GroupNorm, features: Tensor, modulation: Modulation) -> Tensor:
    """SiLU of modulated normalised features (B, C, H, W): see the head of this module."""
    if not _folds(norm, features):
        hidden = norm(features) * (1 + modulation.scale) + modulation.shift
        return F.silu(hidden * (1 + modulation.semantic_scale))
    factor, addend = modulation.coefficients()
    if features.is_cuda and (kernels := _kernels(features.device)) is not None:
        return kernels.affine_silu(norm, features, (factor, addend))
    if _is_small_on_cpu(features):
        scale, shift = _coefficients(norm, features)
        modulated = _affine(features, scale * factor, shift * factor + addend)
    else:
        modulated = _affine(norm(features), factor, addend)
    return F.silu(modulated, inplace=True)


def _folds(norm: nn.GroupNorm, features: Tensor) -> bool:
    is_official = norm.weight.dtype == torch.float32 or torch.is_grad_enabled() or torch.compiler.is_compiling()
    return not is_official and features.is_contiguous(memory_format=torch.channels_last)


def _is_small_on_cpu(features: Tensor) -> bool:
    return features.device.type == "cpu" and features.shape[-2] * features.shape[-1] < MIN_NATIVE_PIXELS


@cache
def _kernels(device: torch.device) -> ModuleType | None:
    """The same for GPUs, tried once; None where Triton is absent, or cannot compile here."""
    if find_spec("triton") is None:
        return None
    try:
        from . import group_norm_kernels

        group_norm_kernels.try_out(device)
    except (ImportError, RuntimeError, OSError, SubprocessError) as error:  # without a C compiler or Python's headers
        reason = str(error).strip().partition("\n")[0]
        logger.info("Normalisation is not joined with what follows it, as Triton does not work here (%s)", reason)
        return None
    return group_norm_kernels


def _affine(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return torch.addcmul(shift.to(features.dtype), features, scale.to(features.dtype))


def _coefficients(norm: nn.GroupNorm, features: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift (B, C, 1, 1) float32 of GroupNorm, from channels-last features."""
    batch, channels, height, width = features.shape
    pixels = features.permute(0, 2, 3, 1).reshape(batch, height * width, channels).to(torch.float32, copy=True)
    sums = torch.stack([pixels.sum(1), pixels.square_().sum(1)]).view(2, batch, norm.num_groups, -1)
    mean, square = sums.sum(-1, keepdim=True) / (height * width * sums.shape[-1])  # (B, G, 1) each
    deviation = (square - mean.square()).clamp_(min=0).add_(norm.eps).sqrt_()
    scale = norm.weight.float().view(1, norm.num_groups, -1) / deviation
    shift = norm.bias.float().view(1, norm.num_groups, -1) - mean * scale
    return scale.reshape(batch, channels, 1, 1), shift.reshape(batch, channels, 1, 1)
