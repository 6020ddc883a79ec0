"""Random numbers of a sample or a batch: a fixed function of the seed and of its position in the run.

So they do not depend on how many processes share a batch, on threads that prepare it, or on a break in the run.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

STREAM = 3  # tells these numbers from those of the data order


def draw_noise(seed: int, positions: Iterable[int], shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Noise for samples by their positions in the run.

    Args:
        seed: of the run.
        positions: of B samples, as `FrameOrder.positions` counts them.
        shape: of one sample's noise.

    Returns:
        (B,) uniform in [0, 1), and (B, *shape) standard normal; float32 on the CPU.
    """
    uniform, normal = [], []
    for position in positions:
        generator = generator_at(seed, position)
        uniform.append(torch.rand((), generator=generator))
        normal.append(torch.randn(shape, generator=generator))
    return torch.stack(uniform), torch.stack(normal)


def generator_at(seed: int, position: int) -> torch.Generator:
    """A generator on the CPU for the sample, or the batch, at a position in the run."""
    key = int(np.random.SeedSequence([seed, position, STREAM]).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator().manual_seed(key)
