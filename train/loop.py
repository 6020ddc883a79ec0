"""The one training loop. It knows modules, losses and files; faces and diffusion are the stages' business."""

from __future__ import annotations

import logging
import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from diffusers.training_utils import EMAModel
from torch import Tensor

from diffusionact.images import save_png

from .checkpoints import replace_folder, save_checkpoint
from .config import TrainingConfig
from .stages.stage import Stage

logger = logging.getLogger(__name__)

CLOCK_EVERY = 10  # steps between two looks at the clock and for the file that ends training in good order
STOP_FILE = "STOP"


class NonFiniteLossError(RuntimeError):
    """The loss or its gradient became NaN or infinite."""


@dataclass
class Progress:
    """How far a run is; part of every checkpoint.

    Attributes:
        step: optimiser steps done.
        elapsed_seconds: wall-clock time spent in the loop, over all sessions of the run.
        fraction: 0 at the start, 1 where training ends.
        stopped: somebody asked for the end.
    """

    step: int = 0
    elapsed_seconds: float = 0.0
    fraction: float = 0.0
    stopped: bool = False

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint stores."""
        return {"step": self.step, "elapsed_seconds": self.elapsed_seconds, "fraction": self.fraction}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.step, self.elapsed_seconds, self.fraction = state["step"], state["elapsed_seconds"], state["fraction"]


def learning_rate_factor(step: int, fraction: float, warm_up_steps: int, final_fraction: float) -> float:
    """Linear warm-up times a cosine from 1 down to `final_fraction` over the progress `fraction`."""
    warm_up = min(1.0, (step + 1) / max(1, warm_up_steps))
    cosine = 0.5 + 0.5 * math.cos(math.pi * min(1.0, fraction))
    return warm_up * (final_fraction + (1 - final_fraction) * cosine)


class TrainingLoop:
    """Train the objective of a stage until a limit of steps or minutes.

    Args:
        config: the run's configuration.
        stage: what to train, see `Stage`.
        accelerator: devices, processes and precision.
    """

    def __init__(self, config: TrainingConfig, stage: Stage, accelerator: Accelerator):
        self.config, self.stage, self.accelerator = config, stage, accelerator
        self.run_folder = Path(config.run_folder)
        optimiser = torch.optim.AdamW(
            stage.parameter_groups(),
            lr=config.optimiser.learning_rate,
            betas=config.optimiser.betas,
            weight_decay=config.optimiser.weight_decay,
            fused=True,
        )
        self.base_rates = [group["lr"] for group in optimiser.param_groups]
        self.objective, self.optimiser = accelerator.prepare(stage.objective, optimiser)
        self.parameters = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        self.ema = EMAModel(self.parameters, decay=config.loop.ema_decay, foreach=True)
        self.progress = Progress()
        accelerator.register_for_checkpointing(self.ema, self.progress)
        self._reset_averages()

    def resume(self, checkpoint: Path) -> None:
        """Continue from a checkpoint as if there had been no break."""
        self.accelerator.load_state(str(checkpoint))
        self.ema.to(self.accelerator.device)
        logger.info("resumed from %s", checkpoint)

    def run(self) -> None:
        """Train to the end, then write a checkpoint, the last pictures and the exported model.

        Raises:
            NonFiniteLossError: if the loss becomes NaN or infinite.
        """
        loop, progress = self.config.loop, self.progress
        self._start_clock()
        at_end = progress.fraction >= 1
        while not at_end:
            self._step()
            progress.step += 1
            self._update_progress()
            at_end = progress.fraction >= 1 or progress.stopped
            if at_end or progress.step % loop.log_every == 0:
                self._log_averages()
            if loop.validate_every and (at_end or progress.step % loop.validate_every == 0):
                self._validate()
            if at_end or progress.step % loop.checkpoint_every == 0:
                self._save()
        logger.info("finished after %d steps, %.1f minutes", progress.step, progress.elapsed_seconds / 60)

    def _step(self) -> None:
        """One optimiser step."""
        loop, optimiser = self.config.loop, self.config.optimiser
        factor = learning_rate_factor(
            self.progress.step, self.progress.fraction, optimiser.warm_up_steps, optimiser.final_fraction
        )
        for group, rate in zip(self.optimiser.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor
        for part in range(loop.accumulation_steps):
            batch = self.stage.batch(self.progress.step * loop.accumulation_steps + part)
            is_last = part == loop.accumulation_steps - 1
            with nullcontext() if is_last else self.accelerator.no_sync(self.objective):
                loss, scalars = self.objective(**batch)
                self.accelerator.backward(loss / loop.accumulation_steps)
            self._add_to_averages({"loss": loss, **scalars}, loop.batch_size * self.accelerator.num_processes)
        norm = self.accelerator.clip_grad_norm_(self.parameters, optimiser.max_gradient_norm)
        self._all_finite = self._all_finite & torch.isfinite(norm) & torch.isfinite(loss.detach())
        if self.accelerator.device.type == "cpu":
            self._check_finite()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.ema.step(self.parameters)

    def _check_finite(self) -> None:
        """Stop before anything poisoned is stored; a GPU must synchronise for it, so not at every step there."""
        if not self._all_finite:
            raise NonFiniteLossError(
                f"Expected a finite loss and gradient, received NaN or infinity by step {self.progress.step}. "
                "Lower optimiser.learning_rate or use loop.mixed_precision=no, and continue with --resume latest."
            )

    def _start_clock(self) -> None:
        if self.accelerator.is_main_process:
            (self.run_folder / STOP_FILE).unlink(missing_ok=True)  # of an earlier session
        self._clock_zero = time.monotonic() - self.progress.elapsed_seconds
        self._update_progress()
        self._reset_averages()

    def _read_clock(self) -> None:
        """Set elapsed time and stop wish to those of the main process, so that all agree."""
        elapsed, stop = time.monotonic() - self._clock_zero, (self.run_folder / STOP_FILE).exists()
        if self.accelerator.num_processes > 1:
            shared = torch.tensor([elapsed, float(stop)], dtype=torch.float32, device=self.accelerator.device)
            elapsed, stop = broadcast(shared).tolist()
        self.progress.elapsed_seconds, self.progress.stopped = elapsed, bool(stop)

    def _update_progress(self) -> None:
        """Set the progress fraction."""
        loop, progress = self.config.loop, self.progress
        if progress.step % CLOCK_EVERY == 0:
            self._read_clock()
        by_step = progress.step / loop.max_steps if loop.max_steps else 0.0
        by_time = progress.elapsed_seconds / 60 / loop.max_minutes if loop.max_minutes else 0.0
        progress.fraction = min(1.0, max(by_step, by_time))

    def _reset_averages(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._batches = self._samples = 0
        self._all_finite = torch.tensor(True, device=self.accelerator.device)
        self._averages_since = time.monotonic()

    def _add_to_averages(self, scalars: dict[str, Tensor], samples: int) -> None:
        for name, value in scalars.items():
            self._sums[name] = self._sums.get(name, 0.0) + value.detach()
        self._batches += 1
        self._samples += samples

    def _log_averages(self) -> None:
        """Write means since the last line, of the main process's batches."""
        self._check_finite()
        if not self._batches:
            return
        seconds = time.monotonic() - self._averages_since
        means = {name: float(total) / self._batches for name, total in self._sums.items()}
        means["samples_per_second"] = self._samples / seconds
        progress = self.progress
        left = (time.monotonic() - self._clock_zero) * (1 / max(progress.fraction, 1e-9) - 1)
        words = "  ".join(f"{name} {value:.4g}" for name, value in means.items())
        logger.info("step %d  %.1f %%  %s  left %.1f min", progress.step, 100 * progress.fraction, words, left / 60)
        self._log_scalars({**means, "learning_rate": self.optimiser.param_groups[0]["lr"]})
        self._reset_averages()

    def _log_scalars(self, scalars: dict[str, float]) -> None:
        self.accelerator.log(
            {f"{self.stage.name}/{name}": value for name, value in scalars.items()}, self.progress.step
        )

    @contextmanager
    def _averaged_weights(self) -> Iterator[None]:
        """Put the averaged weights into the modules for a while."""
        self.ema.store(self.parameters)
        self.ema.copy_to(self.parameters)
        self.stage.objective.eval()
        try:
            yield
        finally:
            self.ema.restore(self.parameters)
            self.stage.objective.train()

    def _validate(self) -> None:
        """Pictures and figures of the averaged weights; the other processes wait at their next exchange."""
        if not self.accelerator.is_main_process:
            return
        started = time.monotonic()
        with self._averaged_weights(), torch.no_grad(), self.accelerator.autocast():
            grid, scalars = self.stage.validate()
        folder = self.run_folder / "pictures"
        folder.mkdir(exist_ok=True)
        save_png(folder / f"step-{self.progress.step:07d}.png", grid)
        words = "  ".join(f"{name} {value:.4g}" for name, value in scalars.items())
        logger.info("validation at step %d  %s  (%.0f s)", self.progress.step, words, time.monotonic() - started)
        self._log_scalars({f"validation_{name}": value for name, value in scalars.items()})
        self._averages_since += time.monotonic() - started

    def _save(self) -> None:
        """Write a checkpoint and, from the averaged weights, the model folder."""
        started = time.monotonic()
        self._check_finite()
        self._read_clock()
        save_checkpoint(self.accelerator, self.run_folder, self.progress.step, self.config.loop.checkpoints_kept)
        if self.accelerator.is_main_process:
            with self._averaged_weights():
                self.save_model_folder(self.run_folder / "model")
        self._averages_since += time.monotonic() - started

    def save_model_folder(self, folder: Path) -> None:
        """Write every component of the stage to its own folder, with the weights as they are now; all or nothing."""
        temporary = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        for name, component in self.stage.components().items():
            component.save_pretrained(temporary / name)
        self.stage.write_index(temporary)
        replace_folder(temporary, folder)
