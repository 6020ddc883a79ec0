"""Random numbers of a sample: a fixed function of the seed and of its place in the run.

So they do not depend on how many processes share a batch, on threads that prepare it, or on a break in the run.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

STREAM = 3  # tells these numbers from those of the data order


def draw_noise(seed: int, positions: Iterable[int], shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Noise for samples by their places in the run.

    Args:
        seed: of the run.
        positions: places of B samples, as `FrameOrder.positions` counts them.
        shape: of one sample's noise.

    Returns:
        (B,) uniform in [0, 1), and (B, *shape) standard normal; float32 on the CPU.
    """
    uniform, normal = [], []
    for position in positions:
        key = int(np.random.SeedSequence([seed, position, STREAM]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        generator = torch.Generator().manual_seed(key)
        uniform.append(torch.rand((), generator=generator))
        normal.append(torch.randn(shape, generator=generator))
    return torch.stack(uniform), torch.stack(normal)
