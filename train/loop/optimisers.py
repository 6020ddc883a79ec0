"""The optimiser of a run, by name."""

from __future__ import annotations

from typing import Any

import torch

from ..configs import OptimiserConfig


def make_optimiser(
    groups: list[dict[str, Any]], config: OptimiserConfig, scales_loss: bool = False
) -> torch.optim.Optimizer:
    """AdamW over parameter groups; "adamw8bit" keeps its two moments in 8 bits.

    Args:
        groups: see `Stage.parameter_groups`.
        config: of the run.
        scales_loss: fp16, where steps may be left out. The fused AdamW leaves them out by itself, unseen by the loop.

    Raises:
        ValueError: if the 8-bit optimiser's package is absent.
    """
    settings = {"lr": config.learning_rate, "betas": config.betas, "weight_decay": config.weight_decay}
    if config.name == "adamw":
        return torch.optim.AdamW(groups, fused=not scales_loss, **settings)
    try:
        import bitsandbytes
    except ImportError as error:
        raise ValueError(
            "Expected the package bitsandbytes for optimiser.name=adamw8bit, received an installation without it. "
            "Run `pip install bitsandbytes`, or set optimiser.name=adamw."
        ) from error
    return bitsandbytes.optim.AdamW8bit(groups, **settings)
