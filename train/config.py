"""Training configuration: frozen dataclasses filled from one YAML file a stage. An unknown key is an error."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

T = TypeVar("T")

CACHES = ("decoded", "none")
OPTIMISERS = ("adamw", "adamw8bit")
SCHEDULES = ("cosine", "linear", "constant")
PRECISIONS = ("no", "bf16", "fp16")
LOGGERS = ("tensorboard", "wandb", "trackio")


@dataclass(frozen=True)
class DataConfig:
    """Where the frames are, and how they are read and paired.

    Attributes:
        folder: holds the shards (`*.tar`); what is cached of them is written to `cache/` in it.
        sample_size: side of the images, pixels; must be that of the shards.
        validation_every: every so-manieth identity is held out, unless the shards name a validation split.
        on_device: keep the decoded images in the accelerator's memory.
        cache: "decoded" stores images, landmark maps and regions as bytes beside the shards (about 7 bytes a pixel);
            "none" reads and draws them anew every time. The batches are the same.
        workers: threads that prepare the next batches while one is in use; 0 for none.
        pair_distance_min: least turn of the head between source and driving frame, degrees.
        pair_distance_max: largest turn; None is no limit. A source without such a frame gets the nearest to it.
    """

    folder: str
    sample_size: int = 128
    validation_every: int = 50
    on_device: bool = False
    cache: str = "decoded"
    workers: int = 0
    pair_distance_min: float = 0.0
    pair_distance_max: float | None = None

    def __post_init__(self):
        if self.cache not in CACHES:
            raise ValueError(f"Expected data.cache to be one of {CACHES}, received {self.cache!r}. Correct the key.")
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

    name: str = "adamw"
    learning_rate: float = 6e-4
    schedule: str = "cosine"
    final_fraction: float = 0.03
    warm_up_steps: int = 100
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    max_gradient_norm: float = 1.0

    def __post_init__(self):
        _check_choice("optimiser.name", self.name, OPTIMISERS)
        _check_choice("optimiser.schedule", self.schedule, SCHEDULES)


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
    mixed_precision: str = "bf16"
    gradient_checkpointing: bool = False
    compile: bool = False
    cpu: bool = False
    log_every: int = 50
    validate_every: int = 1000
    checkpoint_every: int = 1000
    checkpoints_kept: int = 2
    trackers: tuple[str, ...] = ("tensorboard",)

    def __post_init__(self):
        _check_choice("loop.mixed_precision", self.mixed_precision, PRECISIONS)
        for tracker in self.trackers:
            _check_choice("loop.trackers", tracker, LOGGERS)
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
class TrainingConfig:
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
    settings: Any
    seed: int = 0
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    hub: HubConfig = field(default_factory=HubConfig)


def load_config(path: str | Path, overrides: Sequence[str], settings_classes: Mapping[str, type]) -> TrainingConfig:
    """Read a YAML file and lay `key.of.a.section=value` overrides over it.

    Args:
        path: the YAML file.
        overrides: values are read as YAML.
        settings_classes: the settings dataclass of every stage, by the stage's name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a key is unknown or missing, or a value has the wrong type.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"Expected a YAML file, received {str(path)!r} where no file lies. Check --config.")
    values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    if not isinstance(values, dict):
        raise ValueError(f"Expected keys such as stage and loop in {str(path)!r}, received {values!r}. Check --config.")
    for override in overrides:
        _apply_override(values, override)
    stage = values.get("stage")
    if stage not in settings_classes:
        raise ValueError(
            f"Expected stage to be one of {sorted(settings_classes)}, received {stage!r}. Correct the key."
        )
    return _build(TrainingConfig, values, "", {"settings": settings_classes[stage]})


def dump_config(config: TrainingConfig) -> str:
    """The resolved configuration as YAML that `load_config` reads."""
    return yaml.safe_dump(_plain(dataclasses.asdict(config)), sort_keys=False)


def _check_choice(where: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(
            f"Expected {where} to be one of {', '.join(choices)}, received {value!r}. Correct the file or the override."
        )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator:
        raise ValueError(f"Expected an override such as loop.batch_size=8, received {override!r}. Add '=value'.")
    *sections, name = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ValueError(
                f"Expected a section {section} for {override!r}, received {values!r}. Write its keys below it."
            )
    values[name] = yaml.safe_load(text)


def _build(cls: type[T], values: Any, where: str, replaced: Mapping[str, type] = types.MappingProxyType({})) -> T:
    """Fill a dataclass from a mapping, section by section."""
    if not isinstance(values, Mapping):
        raise ValueError(f"Expected a section at {where or 'the top'}, received {values!r}. Write its keys below it.")
    hints = typing.get_type_hints(cls) | dict(replaced)
    required = {f.name for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING}
    unknown, missing = set(values) - set(hints), required - set(values)
    if unknown or missing:
        raise ValueError(
            f"Expected the keys {sorted(hints)} in {where or 'the top level'}, received unknown {sorted(unknown)} "
            f"and no {sorted(missing)}. Correct the file or the override."
        )
    return cls(**{name: _convert(hints[name], value, f"{where}.{name}".strip(".")) for name, value in values.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Check a YAML value against a type hint; lists become tuples, whole numbers become floats where floats belong."""
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(item for item in arguments if item is not type(None)), value, where)
    if origin is tuple and isinstance(value, (list, tuple)):
        kinds = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) == len(value):
            return tuple(_convert(kind, item, where) for kind, item in zip(kinds, value, strict=True))
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, str):
        return _float_from_text(value, where)  # YAML reads 1e-4 as text
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"Expected {where} to be {hint}, received {value!r}. Correct the file or the override.")


def _float_from_text(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(
            f"Expected {where} to be a number, received {text!r}. Correct the file or override."
        ) from error
