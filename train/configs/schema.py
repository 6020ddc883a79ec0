"""What a YAML file of this folder may say: frozen dataclasses, one per section. `reading.py` fills them.

A stage brings the dataclass of the section `settings`, see `stages/`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar, get_args

SettingsT = TypeVar("SettingsT")

Cache = Literal["decoded", "none"]
Optimiser = Literal["adamw", "adamw8bit"]
Schedule = Literal["cosine", "linear", "constant"]
Precision = Literal["no", "bf16", "fp16"]
Logger = Literal["tensorboard", "wandb", "trackio"]
LOGGERS: tuple[str, ...] = get_args(Logger)


@dataclass(frozen=True)
class DataConfig:
    """Where the frames are, and how they are read and paired.

    Attributes:
        folder: holds the shards (`*.tar`); what is cached of them is written to `cache/` in it.
        sample_size: side of the images, pixels; must be that of the shards.
        validation_every: every N-th identity is held out, unless the shards name a validation split.
        on_device: keep the decoded images in the accelerator's memory.
        cache: "decoded" stores images, landmark maps and regions as bytes beside the shards (about 7 bytes a pixel);
            "none" reads and draws them anew every time. The batches are the same.
        workers: threads that prepare the next batches while one is in use; 0 for none.
        pair_distance_min: smallest turn of the head between source and driving frame, degrees.
        pair_distance_max: largest turn; None is no limit. A source without such a frame gets the nearest to it.
    """

    folder: str
    sample_size: int = 128
    validation_every: int = 50
    on_device: bool = False
    cache: Cache = "decoded"
    workers: int = 0
    pair_distance_min: float = 0.0
    pair_distance_max: float | None = None

    def __post_init__(self):
        if self.workers < 0:
            raise ValueError(f"Expected data.workers of at least 0, received {self.workers}. Use 0 for no threads.")
        if self.pair_distance_max is not None and self.pair_distance_max < self.pair_distance_min:
            raise ValueError(
                f"Expected data.pair_distance_max of at least {self.pair_distance_min} degrees, received "
                f"{self.pair_distance_max}. Raise it, or lower data.pair_distance_min."
            )


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW with a linear warm-up and a schedule down to a fraction of the rate.

    Attributes:
        name: "adamw", or "adamw8bit" with its moments in 8 bits (package bitsandbytes).
        learning_rate: highest rate.
        schedule: "cosine" or "linear" from the highest rate to the last over the run, or "constant".
        final_fraction: the last rate, as a fraction of the highest; without effect on "constant".
        warm_up_steps: steps of the linear warm-up.
        betas: of AdamW.
        weight_decay: of AdamW.
        max_gradient_norm: gradients are scaled down to this norm.
    """

    name: Optimiser = "adamw"
    learning_rate: float = 6e-4
    schedule: Schedule = "cosine"
    final_fraction: float = 0.03
    warm_up_steps: int = 100
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    max_gradient_norm: float = 1.0


@dataclass(frozen=True)
class LoopConfig:
    """How long, how precisely, and how often things are written.

    Attributes:
        max_steps: optimiser steps at which training ends; None is no limit.
        max_minutes: wall-clock minutes at which training ends; None is no limit. The learning rate follows whichever of
            the two limits is nearer.
        batch_size: samples of one process in one forward pass.
        accumulation_steps: forward passes of one optimiser step.
        ema_decay: of the averaged weights, which are the ones exported.
        mixed_precision: "no", "bf16" or "fp16".
        gradient_checkpointing: compute parts of the forward pass again on the way back: less memory, more time.
        compile: compile the objective with torch.compile; the first steps take minutes.
        cpu: train on the CPU even where there is a GPU.
        log_every: steps between log lines.
        validate_every: steps between validation images; 0 for none.
        checkpoint_every: steps between checkpoints.
        checkpoints_kept: older ones are removed.
        trackers: where figures and images go beside the run folder: "tensorboard", "wandb", "trackio".
    """

    max_steps: int | None = None
    max_minutes: float | None = None
    batch_size: int = 16
    accumulation_steps: int = 1
    ema_decay: float = 0.998
    mixed_precision: Precision = "bf16"
    gradient_checkpointing: bool = False
    compile: bool = False
    cpu: bool = False
    log_every: int = 50
    validate_every: int = 1000
    checkpoint_every: int = 1000
    checkpoints_kept: int = 2
    trackers: tuple[Logger, ...] = ("tensorboard",)

    def __post_init__(self):
        for name in ("batch_size", "accumulation_steps", "log_every", "checkpoint_every", "checkpoints_kept"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"Expected loop.{name} of at least 1, received {getattr(self, name)}. "
                    "Correct the file or the override."
                )
        for name in ("max_steps", "max_minutes"):
            limit = getattr(self, name)
            if limit is not None and limit <= 0:
                raise ValueError(
                    f"Expected loop.{name} above 0, received {limit}. Raise it, or write null for no such limit."
                )
        if self.max_steps is None and self.max_minutes is None:
            raise ValueError(
                "Expected loop.max_steps or loop.max_minutes, received neither. Set at least one of the two limits."
            )


@dataclass(frozen=True)
class HubConfig:
    """Publishing the trained model on the Hugging Face Hub.

    Attributes:
        repository: such as "name/model"; None publishes nothing.
        private: of a repository that is made for it.
    """

    repository: str | None = None
    private: bool = True


@dataclass(frozen=True)
class TrainingConfig(Generic[SettingsT]):
    """Everything that a run depends on.

    Attributes:
        stage: name of the stage, see `stages/`.
        run_folder: receives the resolved config, logs, images, checkpoints and the exported model.
        seed: of initial weights, data order and noise.
        settings: what the stage alone understands; a dataclass of the stage.
        data, optimiser, loop, hub: see their classes.
    """

    stage: str
    run_folder: str
    data: DataConfig
    settings: SettingsT
    seed: int = 0
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    hub: HubConfig = field(default_factory=HubConfig)
