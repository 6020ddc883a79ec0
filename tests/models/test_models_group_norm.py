"""GroupNorm, modulation and SiLU as one operation: the values of the three, on every path."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from diffusionact.models.group_norm import Modulation, modulated_silu, normalised, normalised_silu

# (B, C, H, W), groups: below and above the size at which the CPU's own GroupNorm takes over; odd numbers.
SHAPES = [((2, 96, 8, 8), 32), ((3, 20, 5, 7), 5), ((2, 12, 32, 40), 4)]


def layer_and_features(shape, groups, dtype=torch.bfloat16):
    """A layer with weights, features far from zero mean, and a modulation."""
    generator = torch.Generator().manual_seed(0)
    norm = nn.GroupNorm(groups, shape[1]).to(dtype)
    for parameter in norm.parameters():
        nn.init.normal_(parameter, 0.5, 0.5, generator)
    features = (1.5 + 2 * torch.randn(shape, generator=generator)).to(dtype)
    parts = (0.3 * torch.randn(*shape[:2], 1, 1, generator=generator).to(dtype) for _ in range(3))
    return norm, features.to(memory_format=torch.channels_last), Modulation(*parts)


def expected(norm, features, modulation=None):
    """By the definition, in float64."""
    weight, bias = norm.weight.detach().double(), norm.bias.detach().double()
    hidden = F.group_norm(features.double(), norm.num_groups, weight, bias, norm.eps)
    if modulation is not None:
        hidden = (hidden * (1 + modulation.scale.double()) + modulation.shift.double()) * (
            1 + modulation.semantic_scale.double()
        )
    return hidden


def assert_close(answer, wanted):
    """As close as a few roundings to bfloat16 leave it."""
    assert answer.dtype == torch.bfloat16 and answer.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(answer.double(), wanted, atol=0.03, rtol=0.02)


@torch.no_grad()
@pytest.mark.parametrize(("shape", "groups"), SHAPES)
def test_half_precision_gives_the_values_of_the_three_operations(shape, groups):
    norm, features, modulation = layer_and_features(shape, groups)
    before = features.clone()
    assert_close(normalised(norm, features), expected(norm, features))
    assert_close(normalised_silu(norm, features), F.silu(expected(norm, features)))
    assert_close(modulated_silu(norm, features, modulation), F.silu(expected(norm, features, modulation)))
    assert features.equal(before), "what came in is needed for the skip path"


@pytest.mark.parametrize(("dtype", "is_training"), [(torch.float32, False), (torch.bfloat16, True)])
def test_float32_and_training_take_the_official_order(dtype, is_training):
    norm, features, modulation = layer_and_features(*SHAPES[0], dtype)
    with torch.set_grad_enabled(is_training):
        hidden = norm(features) * (1 + modulation.scale) + modulation.shift
        hidden = hidden * (1 + modulation.semantic_scale)
        assert modulated_silu(norm, features, modulation).equal(F.silu(hidden))
        assert normalised_silu(norm, features).equal(F.silu(norm(features)))


def test_gpu_kernels_give_the_same_values_in_the_interpreter():
    """In a process of its own: Triton must be told before it is imported."""
    if find_spec("triton") is None:
        pytest.skip("Triton is absent")
    code = f"import {Path(__file__).stem} as here; here.check_kernels()"
    folders = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": folders},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr


@torch.no_grad()
def check_kernels():
    """The kernels against the definition, on the CPU."""
    from diffusionact.models.group_norm_kernels import affine_silu

    for shape, groups in SHAPES:
        norm, features, modulation = layer_and_features(shape, groups)
        assert_close(affine_silu(norm, features), F.silu(expected(norm, features)))
        answer = affine_silu(norm, features, modulation.coefficients())
        assert_close(answer, F.silu(expected(norm, features, modulation)))
