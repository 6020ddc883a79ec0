"""GroupNorm, modulation and SiLU of channels-last maps as Triton kernels; see `group_norm`, which chooses.

Sums per image and channel over parts of a map -> a scale and a shift per image and channel -> SiLU(scale x + shift):
the map is read twice and written once. Arithmetic is float32.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor, nn
from triton.errors import TritonError

PIXELS_PER_PROGRAM = 512
TILE_PIXELS, TILE_CHANNELS, TILE_PARTS = 32, 64, 64


@triton.jit
def _sum_parts(features, sums, pixels, channels, PART: tl.constexpr, TILE_N: tl.constexpr, TILE_C: tl.constexpr):
    """features (B, N, C) -> sums and sums of squares (B, P, 2, C) over parts of PART pixels."""
    part, image = tl.program_id(1), tl.program_id(2).to(tl.int64)
    channel = tl.program_id(0) * TILE_C + tl.arange(0, TILE_C)
    total = tl.zeros((TILE_C,), tl.float32)
    squares = tl.zeros((TILE_C,), tl.float32)
    for start in range(0, PART, TILE_N):
        pixel = part * PART + start + tl.arange(0, TILE_N)
        inside = (pixel < pixels)[:, None] & (channel < channels)[None, :]
        offsets = (image * pixels + pixel[:, None]) * channels + channel[None, :]
        values = tl.load(features + offsets, mask=inside, other=0.0).to(tl.float32)
        total += tl.sum(values, 0)
        squares += tl.sum(values * values, 0)
    row = (image * tl.num_programs(1) + part) * 2 * channels
    tl.store(sums + row + channel, total, mask=channel < channels)
    tl.store(sums + row + channels + channel, squares, mask=channel < channels)


@triton.jit
def _find_coefficients(
    sums, weight, bias, factor, addend, coefficients, pixels, channels, parts, eps,
    GROUP: tl.constexpr, TILE_G: tl.constexpr, TILE_P: tl.constexpr, IS_MODULATED: tl.constexpr,
):  # fmt: skip
    """Sums (B, P, 2, C) -> scale and shift (B, 2, C); a program per image and group of GROUP channels."""
    group, image = tl.program_id(0), tl.program_id(1).to(tl.int64)
    member = tl.arange(0, TILE_G)
    channel, is_member = group * GROUP + member, member < GROUP
    total = tl.zeros((TILE_G,), tl.float32)
    squares = tl.zeros((TILE_G,), tl.float32)
    for start in range(0, parts, TILE_P):
        part = start + tl.arange(0, TILE_P)
        inside = (part < parts)[:, None] & is_member[None, :]
        offsets = (image * parts + part[:, None]) * 2 * channels + channel[None, :]
        total += tl.sum(tl.load(sums + offsets, mask=inside, other=0.0), 0)
        squares += tl.sum(tl.load(sums + offsets + channels, mask=inside, other=0.0), 0)
    count = pixels * GROUP
    mean = tl.sum(total, 0) / count
    variance = tl.maximum(tl.sum(squares, 0) / count - mean * mean, 0.0)
    scale = tl.load(weight + channel, mask=is_member, other=0.0).to(tl.float32) / tl.sqrt(variance + eps)
    shift = tl.load(bias + channel, mask=is_member, other=0.0).to(tl.float32) - mean * scale
    if IS_MODULATED:
        row = image * channels + channel
        times = tl.load(factor + row, mask=is_member, other=0.0).to(tl.float32)
        scale *= times
        shift = shift * times + tl.load(addend + row, mask=is_member, other=0.0).to(tl.float32)
    tl.store(coefficients + image * 2 * channels + channel, scale, mask=is_member)
    tl.store(coefficients + image * 2 * channels + channels + channel, shift, mask=is_member)


@triton.jit
def _apply(
    features, coefficients, output, pixels, channels, PART: tl.constexpr, TILE_N: tl.constexpr, TILE_C: tl.constexpr
):
    """output = SiLU(scale features + shift)."""
    part, image = tl.program_id(1), tl.program_id(2).to(tl.int64)
    channel = tl.program_id(0) * TILE_C + tl.arange(0, TILE_C)
    is_channel = channel < channels
    scale = tl.load(coefficients + image * 2 * channels + channel, mask=is_channel, other=0.0)
    shift = tl.load(coefficients + image * 2 * channels + channels + channel, mask=is_channel, other=0.0)
    for start in range(0, PART, TILE_N):
        pixel = part * PART + start + tl.arange(0, TILE_N)
        inside = (pixel < pixels)[:, None] & is_channel[None, :]
        offsets = (image * pixels + pixel[:, None]) * channels + channel[None, :]
        values = tl.load(features + offsets, mask=inside, other=0.0).to(tl.float32)
        values = values * scale[None, :] + shift[None, :]
        tl.store(output + offsets, (values * tl.sigmoid(values)).to(output.dtype.element_ty), mask=inside)


def affine_silu(norm: nn.GroupNorm, features: Tensor, modulation: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """SiLU(GroupNorm(features) * factor + addend).

    Args:
        norm: the layer.
        features: (B, C, H, W), channels last, on a GPU.
        modulation: factor and addend, (B, C, 1, 1) each; None for 1 and 0.

    Returns:
        As `features`.
    """
    batch, channels, height, width = features.shape
    pixels = height * width
    grid = (triton.cdiv(channels, TILE_CHANNELS), triton.cdiv(pixels, PIXELS_PER_PROGRAM), batch)
    tiles = {"PART": PIXELS_PER_PROGRAM, "TILE_N": TILE_PIXELS, "TILE_C": TILE_CHANNELS}
    sums = features.new_empty(batch, grid[1], 2, channels, dtype=torch.float32)
    coefficients = features.new_empty(batch, 2, channels, dtype=torch.float32)
    output = torch.empty_like(features)
    group = channels // norm.num_groups
    factor, addend = (tensor.contiguous() for tensor in modulation or (norm.weight, norm.bias))
    with torch.cuda.device_of(features):  # Triton launches on the current device, whatever it is given
        _sum_parts[grid](features, sums, pixels, channels, **tiles)
        _find_coefficients[(norm.num_groups, batch)](
            sums, norm.weight, norm.bias, factor, addend, coefficients, pixels, channels, grid[1], norm.eps,
            GROUP=group, TILE_G=triton.next_power_of_2(group), TILE_P=TILE_PARTS, IS_MODULATED=modulation is not None,
        )  # fmt: skip
        _apply[grid](features, coefficients, output, pixels, channels, **tiles)
    return output


def try_out(device: torch.device) -> None:
    """Compile and run once.

    Raises:
        RuntimeError, OSError, SubprocessError: if that is impossible here.
    """
    norm = nn.GroupNorm(1, 4, device=device, dtype=torch.bfloat16).requires_grad_(False)
    features = torch.ones(1, 4, 2, 2, device=device, dtype=torch.bfloat16)
    try:
        affine_silu(norm, features.to(memory_format=torch.channels_last))
    except TritonError as error:
        raise RuntimeError(str(error)) from error
