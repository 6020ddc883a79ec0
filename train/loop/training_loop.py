"""The loop itself: steps, and what is written between them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import Tensor

from diffusionact.images import save_png

from ..configs import TrainingConfig
from ..data.ahead import BatchesAhead
from ..stages.stage import Stage
from .averages import Averages
from .checkpoints import load_checkpoint, prepare_replacement, replace_folder, save_checkpoint
from .loggers import log_image
from .model_card import write_model_card
from .nan_guard import NanGuard
from .optimisers import make_optimiser
from .progress import Clock, RunProgress
from .schedules import learning_rate_factor

logger = logging.getLogger(__name__)

MAX_SKIPPED_STEPS = 40  # fp16: as many halvings take the loss scale from 65536 to nothing


class TrainingLoop:
    """Train the objective of a stage until a limit of steps or minutes.

    Args:
        config: the run's configuration.
        stage: what to train, see `Stage`.
        accelerator: devices, processes and precision.

    Attributes:
        progress: how far the run is.
        model_folder: where the averaged weights are written with every checkpoint.
    """

    def __init__(self, config: TrainingConfig, stage: Stage, accelerator: Accelerator):
        self.config, self.stage, self.accelerator = config, stage, accelerator
        self.run_folder = Path(config.run_folder)
        self.model_folder = self.run_folder / "model"
        if config.loop.gradient_checkpointing:
            stage.enable_gradient_checkpointing()
        optimiser = make_optimiser(stage.parameter_groups(), config.optimiser, accelerator.scaler is not None)
        self.parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        self.base_rates = [group["lr"] for group in optimiser.param_groups]
        self.objective, self.optimiser = accelerator.prepare(stage.objective, optimiser)
        if config.loop.compile:
            self.objective.compile()
        self.ema = EMAModel(self.parameters, decay=config.loop.ema_decay, foreach=True)
        self.progress = RunProgress()
        accelerator.register_for_checkpointing(self.ema, self.progress)
        self.clock = Clock(self.progress, config.loop, self.run_folder, accelerator)
        self.averages = Averages(accelerator)
        on_cpu = accelerator.device.type == "cpu"
        folder = self.run_folder / "bad_batch"
        self.guard = NanGuard(stage, config.loop.accumulation_steps, folder, accelerator, at_once=on_cpu)

    def resume(self, checkpoint: Path) -> None:
        """Continue from a checkpoint as if there had been no break.

        Raises:
            ValueError: if the checkpoint is of other networks or of another number of samples per step.
        """
        configured = [
            {name: value for name, value in group.items() if name != "params"} for group in self.optimiser.param_groups
        ]
        load_checkpoint(self.accelerator, checkpoint, self.config, len(self.stage.frames.training))
        for group, values in zip(self.optimiser.param_groups, configured, strict=True):
            group.update(values)  # a checkpoint brings those of its run
        self.ema.decay = self.config.loop.ema_decay
        self.ema.to(self.accelerator.device)
        logger.info("resumed from %s", checkpoint)

    def run(self) -> None:
        """Train to the end, then write a checkpoint, the last images and the exported model.

        Raises:
            NonFiniteLossError: if the loss becomes NaN or infinite.
        """
        loop, progress = self.config.loop, self.progress
        self.clock.start()
        self.averages.reset()
        at_end = progress.fraction >= 1
        with BatchesAhead(self.stage.batch, self.config.data.workers) as batches:
            while not at_end:
                self._step(batches)
                progress.step += 1
                self.clock.update()
                at_end = progress.fraction >= 1 or progress.stopped
                if at_end or progress.step % loop.log_every == 0:
                    self._log_averages()
                if loop.validate_every and (at_end or progress.step % loop.validate_every == 0):
                    self._validate()
                if at_end or progress.step % loop.checkpoint_every == 0:
                    self._save()
        logger.info("finished after %d steps, %.1f minutes", progress.step, progress.elapsed_seconds / 60)

    def _step(self, batches: BatchesAhead[dict[str, Tensor]]) -> None:
        """One optimiser step. Where fp16 gradients overflow, the same batches again at a smaller loss scale.

        Neither data position nor schedule nor averaged weights move in a step that was left out.
        """
        self._set_rates()  # before the backward pass, in which DeepSpeed steps already
        for _ in range(MAX_SKIPPED_STEPS):
            scalars, norm = self._gradients(batches)
            self.guard.watch(
                self.progress.step, scalars, norm if self.accelerator.scaler is None else norm.new_zeros(())
            )
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
            if not self.optimiser.step_was_skipped:
                break
        else:
            self.guard.stop(self.progress.step, {"gradient_norm": float(norm)})
        self.ema.step(self.parameters)
        for entries in scalars:
            self.averages.add(entries, self.config.loop.batch_size * self.accelerator.num_processes)
        self.averages.add({"gradient_norm": norm})

    def _gradients(self, batches: BatchesAhead[dict[str, Tensor]]) -> tuple[list[dict[str, Tensor]], Tensor]:
        """Forward and backward passes of a step: scalars of each batch, and the norm before clipping."""
        count, scalars = self.config.loop.accumulation_steps, []
        for part in range(count):
            batch = batches(self.progress.step * count + part)
            with nullcontext() if part == count - 1 else self.accelerator.no_sync(self.objective):
                loss, entries = self.objective(**batch)
                self.accelerator.backward(loss / count)
            scalars.append({"loss": loss, **entries})
        norm = self.accelerator.clip_grad_norm_(self.parameters, self.config.optimiser.max_gradient_norm)
        return scalars, torch.as_tensor(norm)  # DeepSpeed gives a number

    def _set_rates(self) -> None:
        optimiser, progress = self.config.optimiser, self.progress
        factor = learning_rate_factor(
            progress.step, progress.fraction, optimiser.warm_up_steps, optimiser.final_fraction, optimiser.schedule
        )
        for group, rate in zip(self.optimiser.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor

    def _log_averages(self) -> None:
        """Write means since the last line."""
        self.guard.check()
        progress, means = self.progress, self.averages.means()
        words = "  ".join(f"{name} {value:.4g}" for name, value in means.items())
        left = self.clock.seconds_left / 60
        logger.info("step %d  %.1f %%  %s  left %.1f min", progress.step, 100 * progress.fraction, words, left)
        self._log_scalars({**means, "learning_rate": self.optimiser.param_groups[0]["lr"]})
        self.averages.reset()

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
        """Images and figures of the averaged weights; the other processes wait at their next exchange."""
        if not self.accelerator.is_main_process:
            return
        started = time.monotonic()
        with self._averaged_weights(), torch.no_grad(), self.accelerator.autocast():
            grid, scalars = self.stage.validate()
        folder = self.run_folder / "images"
        folder.mkdir(exist_ok=True)
        save_png(folder / f"step-{self.progress.step:07d}.png", grid)
        words = "  ".join(f"{name} {value:.4g}" for name, value in scalars.items())
        logger.info("validation at step %d  %s  (%.0f s)", self.progress.step, words, time.monotonic() - started)
        self.progress.figures = {"step": self.progress.step, **scalars}
        self._log_scalars({f"validation_{name}": value for name, value in scalars.items()})
        log_image(self.accelerator, f"{self.stage.name}/validation", grid, self.progress.step)
        self.averages.leave_out(time.monotonic() - started)

    def _save(self) -> None:
        """Write, from the averaged weights, the model folder, and a checkpoint.

        The model comes first: a run that is killed between the two makes both again, while one with its last checkpoint
        has nothing left to do.
        """
        started = time.monotonic()
        self.guard.check()
        self.clock.read()
        if self.accelerator.is_main_process:
            with self._averaged_weights():
                self._save_model_folder()
        save_checkpoint(
            self.accelerator, self.run_folder, self.progress.step, self.config, len(self.stage.frames.training)
        )
        self.averages.leave_out(time.monotonic() - started)

    def _save_model_folder(self) -> None:
        """Write every component of the stage to its own folder, with the weights as they are now; all or nothing."""
        temporary = prepare_replacement(self.model_folder)
        for name, component in self.stage.components().items():
            component.save_pretrained(temporary / name)
        self.stage.write_index(temporary)
        frames = len(self.stage.frames.training)
        write_model_card(
            temporary, self.config, self.progress.step, frames, self.progress.figures, self.run_folder / "images"
        )
        replace_folder(temporary, self.model_folder)
