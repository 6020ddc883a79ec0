"""How frames are rendered: presets, sampler and chunk size, as inputs of a node and as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from comfy_api.latest import io

from ...diffusionact import DiffusionActPipeline
from ...diffusionact.schedulers.choice import PRESETS, SCHEDULERS, make_scheduler
from .compatibility import ADVANCED

CUSTOM = "custom"


@dataclass(frozen=True)
class Sampling:
    """How to render.

    Attributes:
        steps: UNet calls a frame.
        scheduler: name of the sampler.
        chunk_size: frames rendered together.
    """

    steps: int
    scheduler: str
    chunk_size: int

    @classmethod
    def from_inputs(cls, preset: str, steps: int, scheduler: str, chunk_size: int) -> Sampling:
        """From the values of `sampling_inputs`."""
        scheduler, steps = PRESETS.get(preset, (scheduler, steps))
        return cls(steps, scheduler, chunk_size)

    def make_scheduler(self, pipeline: DiffusionActPipeline) -> Any:
        """A fresh sampler for a model."""
        return make_scheduler(self.scheduler, pipeline.scheduler.config)


def sampling_inputs() -> list[io.Input]:
    """The inputs `preset`, `steps`, `scheduler` and `chunk_size`."""
    presets = ", ".join(f"{name} is {scheduler} {steps}" for name, (scheduler, steps) in PRESETS.items())
    return [
        io.Combo.Input(
            "preset",
            options=[*PRESETS, CUSTOM],
            default="balanced",
            tooltip=f"Sampler, and steps for each frame: {presets}. paper is what the authors do. "
            f"{CUSTOM} takes the sampler and the number below.",
        ),
        io.Int.Input(
            "steps",
            default=20,
            min=1,
            max=999,
            step=1,
            tooltip=f"Steps for each frame; counts only with the preset {CUSTOM}.",
        ),
        io.Combo.Input(
            "scheduler",
            options=list(SCHEDULERS),
            default="ddim",
            tooltip="The sampler. ddim is the one the model was made for; dpm and unipc need fewer steps. Counts only "
            f"with the preset {CUSTOM}.",
            extra_dict=ADVANCED,
        ),
        io.Int.Input(
            "chunk_size",
            default=4,
            min=1,
            max=64,
            step=1,
            tooltip="Frames rendered together. More is faster on a large graphics card and needs more memory. The "
            "result stays the same. It is halved by itself when memory runs out.",
            extra_dict=ADVANCED,
        ),
    ]
