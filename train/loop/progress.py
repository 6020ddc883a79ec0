"""How far a run is, and the clock that says so to all processes alike."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast

from ..configs import LoopConfig

CLOCK_EVERY = 10  # steps between two looks at the clock and for the file that ends training in good order
STOP_FILE = "STOP"


@dataclass
class RunProgress:
    """How far a run is; part of every checkpoint.

    Attributes:
        step: optimiser steps done.
        elapsed_seconds: wall-clock time spent in the loop, over all sessions of the run.
        fraction: 0 at the start, 1 where training ends.
        stopped: somebody asked for the end.
        figures: of the last validation, for the model card.
    """

    step: int = 0
    elapsed_seconds: float = 0.0
    fraction: float = 0.0
    stopped: bool = False
    figures: dict[str, float] = field(default_factory=dict)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint stores."""
        return {
            "step": self.step,
            "elapsed_seconds": self.elapsed_seconds,
            "fraction": self.fraction,
            "figures": dict(self.figures),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.step, self.elapsed_seconds, self.fraction = state["step"], state["elapsed_seconds"], state["fraction"]
        self.figures = dict(state["figures"])


class Clock:
    """Keeps `RunProgress` up to date: elapsed time, the wish to stop, and the fraction that is done.

    Args:
        progress: is written.
        loop: the limits.
        run_folder: where the file `STOP` may appear.
        accelerator: processes that must agree.
    """

    def __init__(self, progress: RunProgress, loop: LoopConfig, run_folder: Path, accelerator: Accelerator):
        self.progress, self.loop, self.run_folder, self.accelerator = progress, loop, run_folder, accelerator

    def start(self) -> None:
        """Go on from the progress's elapsed time."""
        if self.accelerator.is_main_process:
            (self.run_folder / STOP_FILE).unlink(missing_ok=True)  # of an earlier session
        self._zero = time.monotonic() - self.progress.elapsed_seconds
        self.update()

    def read(self) -> None:
        """Set elapsed time and stop wish to those of the main process, so that all agree."""
        elapsed, stop = time.monotonic() - self._zero, (self.run_folder / STOP_FILE).exists()
        if self.accelerator.num_processes > 1:
            shared = torch.tensor([elapsed, float(stop)], dtype=torch.float32, device=self.accelerator.device)
            elapsed, stop = broadcast(shared).tolist()
        self.progress.elapsed_seconds, self.progress.stopped = elapsed, bool(stop)

    def update(self) -> None:
        """Set the progress fraction."""
        progress, loop = self.progress, self.loop
        if progress.step % CLOCK_EVERY == 0:
            self.read()
        by_step = progress.step / loop.max_steps if loop.max_steps else 0.0
        by_time = progress.elapsed_seconds / 60 / loop.max_minutes if loop.max_minutes else 0.0
        progress.fraction = min(1.0, max(by_step, by_time))

    @property
    def seconds_left(self) -> float:
        """Expected time to the end, from the mean speed so far."""
        return (time.monotonic() - self._zero) * (1 / max(self.progress.fraction, 1e-9) - 1)
