"""Training steps a second of every stage, by the training loop itself, on random data; nothing is kept."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import yaml
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from diffusionact.commands.bench import synchronise
from diffusionact.generation import save_components
from diffusionact.generation.directions_folder import save_directions
from tests.train.tiny_shards import write_shards
from train.configs import load_config
from train.data.ahead import BatchesAhead
from train.data.frames import Frames
from train.loop import TrainingLoop
from train.stages import STAGES

from .machine import peak_memory_of
from .networks import random_diffusion, random_directions
from .sections import Bench, Case, Row
from .sizes import Sizes

WARM_UP_STEPS = 2
DIFFUSION, DIRECTIONS = "diffusion", "directions"


def cases(bench: Bench) -> Iterator[Case]:
    """The stages in the order of training."""
    inputs = Inputs(bench)
    for stage in STAGES:
        yield Case(stage, partial(steps_per_second, inputs, stage))


class Inputs:
    """What stages read: shards of coloured squares, and models with random weights; made when first used."""

    def __init__(self, bench: Bench):
        self.bench = bench

    @cached_property
    def shards(self) -> Path:
        folder = self.bench.folder / "shards"
        write_shards(folder, self.bench.sizes.image)
        return folder

    @cached_property
    def diffusion_model(self) -> Path:
        folder = self.bench.folder / DIFFUSION
        save_components(random_diffusion(self.bench.sizes), folder)
        return folder

    @cached_property
    def directions_model(self) -> Path:
        folder = self.bench.folder / DIRECTIONS
        save_directions(random_directions(self.bench.sizes), folder)
        return folder

    def settings(self, stage: str) -> dict[str, Any]:
        """The stage's defaults at the benchmark's size."""
        sizes = self.bench.sizes
        found: dict[str, Any] = {"validation_images": 2} | plain(sizes.training.get(stage, {}))
        if stage == "pretrain_diffae":
            return found | {"initial_model": str(self.diffusion_model), "prediction_type": "epsilon"}
        if stage in ("pretrain_encoder", "train_encoder", "finetune_decoder", "distil_decoder"):
            return found | {"model_folder": str(self.diffusion_model)}
        if stage == "train_generator":
            return official_generator(sizes) | found
        if stage == "train_inversion_encoder":
            return found | {"generator_folder": str(self.directions_model)}
        if stage == "train_directions":
            return found | {"model_folder": str(self.directions_model), "measure": "portrait"}
        return found


class TimedLoop(TrainingLoop):
    """The loop without what is written between its steps."""

    def step_seconds(self, count: int) -> list[float]:
        """Time of each of so many steps."""
        times = []
        with BatchesAhead(self.stage.batch, self.config.data.workers) as batches:
            for _ in range(count):
                begun = time.perf_counter()
                self._step(batches)
                synchronise(self.accelerator.device)
                self.progress.step += 1
                times.append(time.perf_counter() - begun)
        return times


def steps_per_second(inputs: Inputs, name: str) -> Row:
    """Median over the steps after the first ones, with the peak memory of all."""
    bench, sizes = inputs.bench, inputs.bench.sizes
    config = load_config(write_config(inputs, name), [], {key: stage.Settings for key, stage in STAGES.items()})
    AcceleratorState._reset_state(reset_partial_state=True)  # the precision is chosen once a process
    accelerator = Accelerator(mixed_precision=config.loop.mixed_precision, cpu=config.loop.cpu)
    try:
        frames = Frames(config.data.folder, sizes.image, config.data.validation_every)
        loop = TimedLoop(config, STAGES[name](config, frames, accelerator.device), accelerator)
        times: list[float] = []
        count = WARM_UP_STEPS + sizes.training_steps
        peak = peak_memory_of(lambda: times.extend(loop.step_seconds(count)), bench.device)
    finally:
        accelerator.free_memory()
        AcceleratorState._reset_state(reset_partial_state=True)
    seconds = statistics.median(times[WARM_UP_STEPS:])
    samples = sizes.training_batch / seconds
    return {
        "steps_per_second": 1 / seconds,
        "samples_per_second": samples,
        "batch": sizes.training_batch,
        "precision": config.loop.mixed_precision,
        "peak_gb": peak,
    }


def write_config(inputs: Inputs, stage: str) -> Path:
    """The YAML file of a run, as a user would write it."""
    bench = inputs.bench
    is_cpu = bench.device.type != "cuda"
    values = {
        "stage": stage,
        "run_folder": str(bench.folder / "runs" / stage),
        "data": {"folder": str(inputs.shards), "sample_size": bench.sizes.image, "validation_every": 4},
        "loop": {"max_steps": 1000, "batch_size": bench.sizes.training_batch, "trackers": []}
        | {"cpu": is_cpu, "mixed_precision": "no" if is_cpu else "bf16", "validate_every": 0},
        "settings": inputs.settings(stage),
    }
    path = bench.folder / f"{stage}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def official_generator(sizes: Sizes) -> dict[str, Any]:
    """The generator at the size of the data, with a discriminator of as many channels."""
    channels = list(random_directions(sizes).generator.config.channels)
    return {"generator": {"channels": channels}, "discriminator_channels": channels}


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings and lists as YAML has them."""
    return {
        name: plain(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
    }
