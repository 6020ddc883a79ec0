"""The mean of a metric over everything that was measured, batch after batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


class MetricMean:
    """Adds up a metric's values; every value counts alike, however the batches were cut.

    Args:
        function: returns one value an image (B,), or a scalar for a whole clip.

    Attributes:
        total: sum of all values.
        count: how many there were.
    """

    def __init__(self, function: Callable[..., Tensor]):
        self.function = function
        self.reset()

    def update(self, *inputs: Any) -> None:
        """Measure one batch; arguments are those of the function."""
        values = self.function(*inputs).detach()
        self.total += values.double().sum().item()
        self.count += values.numel()

    def compute(self) -> float:
        """Mean of all values since the last reset.

        Raises:
            ValueError: if there were none.
        """
        if self.count == 0:
            raise ValueError("Expected at least one measured value, received none; call update before compute.")
        return self.total / self.count

    def reset(self) -> None:
        """Forget everything measured."""
        self.total, self.count = 0.0, 0
