"""Learning rate over a run: a linear warm-up times a curve over the progress."""

from __future__ import annotations

import math
from collections.abc import Callable

# name -> curve from progress 0..1 to 1..0; `final_fraction` is what is left where the curve is 0
SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda fraction: 0.5 + 0.5 * math.cos(math.pi * fraction),
    "linear": lambda fraction: 1.0 - fraction,
    "constant": lambda fraction: 1.0,
}


def learning_rate_factor(
    step: int, fraction: float, warm_up_steps: int, final_fraction: float, schedule: str = "cosine"
) -> float:
    """Factor of the learning rate in a step.

    Args:
        step: optimiser steps done before this one.
        fraction: progress of the run, 0 to 1.
        warm_up_steps: steps of the linear warm-up.
        final_fraction: the factor where the schedule ends.
        schedule: one of `SCHEDULES`.
    """
    warm_up = min(1.0, (step + 1) / max(1, warm_up_steps))
    curve = SCHEDULES[schedule](min(1.0, fraction))
    return warm_up * (final_fraction + (1 - final_fraction) * curve)
