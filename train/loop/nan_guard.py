"""Stops a run whose loss or gradient is no longer finite, and keeps the batch that made it so."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from torch import Tensor

from ..stages.stage import Stage

NEVER = -1


class NonFiniteLossError(RuntimeError):
    """The loss or its gradient became NaN or infinite."""


class NanGuard:
    """Watches every step, and makes the batch again when one was not finite.

    Args:
        stage: makes batches again.
        accumulation_steps: batches of one step.
        folder: receives `step-N-process-P.safetensors`.
        accelerator: device and number of the process.
        at_once: look at every step's outcome, which a GPU would have to be waited for; else only `check` looks.
    """

    def __init__(self, stage: Stage, accumulation_steps: int, folder: Path, accelerator: Accelerator, at_once: bool):
        self.stage, self.accumulation_steps, self.folder = stage, accumulation_steps, folder
        self.accelerator, self.at_once = accelerator, at_once
        self._names: list[str] = []
        self._bad_step = torch.tensor(NEVER, device=accelerator.device)
        self._bad_values: Tensor | None = None

    def watch(self, step: int, scalars: list[dict[str, Tensor]], gradient_norm: Tensor) -> None:
        """Remember the first step whose loss or gradient norm is not finite.

        Args:
            step: number of the step.
            scalars: of each of its batches, with "loss" among them.
            gradient_norm: of the whole step, before clipping.

        Raises:
            NonFiniteLossError: see `check`.
        """
        named = {f"{part}.{name}": value for part, entries in enumerate(scalars) for name, value in entries.items()}
        named["gradient_norm"] = gradient_norm
        self._names = list(named)
        values = torch.stack([value.detach().float().reshape(()) for value in named.values()])
        judged = [number for number, name in enumerate(self._names) if name.split(".")[-1] in ("loss", "gradient_norm")]
        is_new = ~values[judged].isfinite().all() & (self._bad_step == NEVER)
        self._bad_step = torch.where(is_new, step, self._bad_step)
        same_names = self._bad_values is not None and self._bad_values.shape == values.shape
        self._bad_values = torch.where(is_new, values, self._bad_values) if same_names else values
        if self.at_once:
            self.check()

    def check(self) -> None:
        """Stop before anything poisoned is stored. Waits for the device.

        Raises:
            NonFiniteLossError: if a step was not finite; its batch lies in the folder then.
        """
        step = int(self._bad_step)
        if step != NEVER:
            self.stop(step, dict(zip(self._names, self._bad_values.tolist(), strict=True)))

    def stop(self, step: int, scalars: dict[str, float]) -> None:
        """Write the batches of a step of this process and raise.

        Raises:
            NonFiniteLossError: always.
        """
        path = self._save_batches(step, scalars)
        words = ", ".join(f"{name} {value:.4g}" for name, value in scalars.items())
        raise NonFiniteLossError(
            f"Expected a finite loss and gradient, received NaN or infinity in step {step} of process "
            f"{self.accelerator.process_index} ({words}). Look at its batch in {str(path)!r}; lower "
            "optimiser.learning_rate or use loop.mixed_precision=no, and continue with --resume latest."
        )

    def _save_batches(self, step: int, scalars: dict[str, float]) -> Path:
        """Entries are named `0.image`: number of the batch within the step, then the name."""
        process = self.accelerator.process_index
        facts = {"stage": self.stage.name, "step": step, "process": process, "seed": self.stage.config.seed, **scalars}
        tensors = {}
        for part in range(self.accumulation_steps):
            for name, value in self.stage.batch(step * self.accumulation_steps + part).items():
                if isinstance(value, Tensor):
                    tensors[f"{part}.{name}"] = value.detach().cpu().contiguous()
                else:
                    facts[f"{part}.{name}"] = value
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step-{step:07d}-process-{process}.safetensors"
        temporary = path.with_name(f".{path.name}.tmp")
        save_file(tensors, temporary, metadata={name: str(value) for name, value in facts.items()})
        os.replace(temporary, path)
        return path
