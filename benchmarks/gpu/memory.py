"""Peak memory of rendering by chunk size, beside what the engine expects."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from diffusionact.devices import default_dtype
from diffusionact.generation import DiffusionEngine
from diffusionact.generation.chunks import ran_out_of_memory

from .machine import peak_memory_of
from .networks import random_diffusion
from .sections import Bench, Case, LeftOutError, Row

SMALL_CARD_GB = 8.0
SYSTEM_GB = 0.7  # what a driver's context and a screen take of it


def cases(bench: Bench) -> Iterator[Case]:
    """Chunks from small to large."""
    engine = DiffusionEngine(random_diffusion(bench.sizes))
    for chunk in bench.sizes.batches:
        yield Case(f"{bench.sizes.image} px, chunk {chunk}", partial(peak, bench, engine, chunk))


@torch.inference_mode()
def peak(bench: Bench, engine: DiffusionEngine, chunk: int) -> Row:
    """Decoding of a chunk in one step; the steps are alike."""
    engine.to(bench.device, default_dtype(bench.device))
    x_T = engine.random_codes(range(chunk))["stochastic_code"]
    code = torch.randn(chunk, engine.unet.config.semantic_dim, device=bench.device)
    weights = sum(weight.numel() * weight.element_size() for module in engine.modules for weight in module.parameters())
    try:
        highest = peak_memory_of(lambda: engine.sample(x_T, code, 1), bench.device)
    except RuntimeError as error:
        if not ran_out_of_memory(error):
            raise
        raise LeftOutError("more memory than the device has") from error
    return {
        "peak_gb": highest,
        "expected_gb": (weights + engine.activation_bytes(chunk)) / 1e9,
        "fits_8_gb": highest < SMALL_CARD_GB - SYSTEM_GB,
    }
