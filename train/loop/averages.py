"""Means of logged scalars since the last log line, over steps and processes, with throughput and memory."""

from __future__ import annotations

import time

import psutil
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor


class Averages:
    """Sums scalars on the device without waiting for it; `means` reads them."""

    def __init__(self, accelerator: Accelerator):
        self.accelerator = accelerator
        self._peak_bytes = 0
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._samples = 0
        self._since = time.monotonic()

    def add(self, scalars: dict[str, Tensor], samples: int = 0) -> None:
        """Add scalars of this process; `samples` is how many samples all processes together have seen."""
        for name, value in scalars.items():
            self._sums[name] = self._sums.get(name, 0.0) + value.detach().float()
            self._counts[name] = self._counts.get(name, 0) + 1
        self._samples += samples

    def leave_out(self, seconds: float) -> None:
        """Do not count time spent on something else than training, such as validation."""
        self._since += seconds

    def means(self) -> dict[str, float]:
        """Means over all processes, samples per second, peak memory of this process. Every process must call this."""
        own = {name: (float(total), self._counts[name]) for name, total in self._sums.items()}
        totals: dict[str, tuple[float, int]] = {}
        for part in gather_object([own]) if self.accelerator.num_processes > 1 else [own]:
            for name, (total, count) in part.items():
                before = totals.get(name, (0.0, 0))
                totals[name] = (before[0] + total, before[1] + count)
        means = {name: total / count for name, (total, count) in totals.items()}
        means["samples_per_second"] = self._samples / (time.monotonic() - self._since)
        means["memory_gb"] = self._peak_memory() / 1e9
        return means

    def _peak_memory(self) -> int:
        """Bytes: of the GPU at its highest, or of the process at the log lines so far."""
        if self.accelerator.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.accelerator.device)
        self._peak_bytes = max(self._peak_bytes, psutil.Process().memory_info().rss)
        return self._peak_bytes
