"""One UNet call in every faster way against float32: relative error, and whether it is as small as it must be."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import cached_property, partial

import torch
from torch import Tensor

from diffusionact.models import UNet

from .machine import tf32
from .networks import copy_of, unets
from .sections import Bench, Case, LeftOutError, Row

TIMESTEP = 500
# Way -> (dtype, largest relative error). Half a unit in the last place is 2^-9 of bfloat16, 2^-12 of float16 and 2^-12
# of TF32; a few dozen layers add up to some of them.
WAYS: dict[str, tuple[torch.dtype, float]] = {
    "channels_last": (torch.float32, 1e-4),
    "tf32": (torch.float32, 1e-2),
    "bfloat16": (torch.bfloat16, 5e-2),
    "float16": (torch.float16, 1e-2),
    "xformers float16": (torch.float16, 1e-2),
    "compiled bfloat16": (torch.bfloat16, 5e-2),
}


def cases(bench: Bench) -> Iterator[Case]:
    """Every way with every network."""
    for name, unet in unets(bench.sizes).items():
        sample = Sample(bench, unet)
        for way in WAYS:
            yield Case(f"{name}: {way}", partial(compare, sample, way))


class Sample:
    """Inputs of a UNet call, the same for all ways."""

    def __init__(self, bench: Bench, unet: UNet):
        self.bench, self.unet = bench, unet
        random, rows = torch.Generator().manual_seed(0), bench.sizes.precision_batch
        size = unet.config.sample_size
        self.x_t = torch.randn(rows, 3, size, size, generator=random)
        self.code = torch.randn(rows, unet.config.semantic_dim, generator=random)

    @torch.inference_mode()
    def output(self, unet: UNet) -> Tensor:
        """(B, 3, S, S) float32 on the CPU."""
        device, dtype = unet.device, unet.dtype
        timestep = torch.tensor(TIMESTEP, device=device)
        return unet(self.x_t.to(device, dtype), timestep, self.code.to(device, dtype)).sample.float().cpu()

    @cached_property
    def reference(self) -> Tensor:
        """In float32 with whole inputs, on the device itself."""
        with tf32(False):
            return self.output(copy_of(self.unet, self.bench.device, torch.float32, torch.contiguous_format))


def compare(sample: Sample, way: str) -> Row:
    """Relative error of one way."""
    dtype, allowed = WAYS[way]
    check_possible(way, sample.bench)
    unet = copy_of(sample.unet, sample.bench.device, dtype)
    if way.startswith("compiled"):
        unet.compile(backend=sample.bench.sizes.compiler, dynamic=False)
    if way.startswith("xformers"):
        unet.set_use_memory_efficient_attention_xformers(True)
    with tf32(way == "tf32"):
        error = relative_error(sample.output(unet), sample.reference)
    return {"relative_error": error, "allowed": allowed, "passed": error <= allowed}


def check_possible(way: str, bench: Bench) -> None:
    """Raise LeftOutError where a way is not to be had."""
    if way == "tf32" and bench.device.type != "cuda":
        raise LeftOutError("only GPUs shorten float32")
    if "bfloat16" in way and bench.device.type == "cuda" and not torch.cuda.is_bf16_supported(False):
        raise LeftOutError("this GPU has no bfloat16")
    if way.startswith("xformers") and importlib.util.find_spec("xformers") is None:
        raise LeftOutError("xformers is not installed")
    if way.startswith("xformers") and bench.device.type != "cuda":
        raise LeftOutError("xformers works on GPUs only")


def relative_error(ours: Tensor, reference: Tensor) -> float:
    """Root mean square of the difference over that of the reference."""
    return float((ours - reference).double().square().mean().sqrt() / reference.double().square().mean().sqrt())
