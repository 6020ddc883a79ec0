"""Where figures go: tensorboard in the run folder, wandb and trackio where asked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import yaml
from accelerate import Accelerator
from torch import Tensor

from ..configs import TrainingConfig, dump_config
from .event_file import EventFileTracker

PROJECT = "diffusionact"


def check_loggers(names: Sequence[str]) -> None:
    """Raise ValueError if a logger's package is not installed."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise ValueError(
                f"Expected the package {name!r} for loop.trackers, received an installation without it. "
                f"Run `pip install {name}`, or take it out of loop.trackers (--report_to)."
            )


def start_loggers(accelerator: Accelerator, config: TrainingConfig, step: int) -> None:
    """Begin logging; runs of wandb and trackio are named after the run folder.

    Tensorboard hides what a killed session wrote after `step`, where this session begins.
    """
    run_folder = Path(config.run_folder)
    loggers = config.loop.trackers
    accelerator.log_with = [
        EventFileTracker(run_folder, step + 1) if name == "tensorboard" else name for name in loggers
    ]
    named = {"name": run_folder.name, "config": yaml.safe_load(dump_config(config))}
    accelerator.init_trackers(PROJECT, init_kwargs={"wandb": {**named, "dir": config.run_folder}, "trackio": named})


def log_image(accelerator: Accelerator, name: str, image: Tensor, step: int) -> None:
    """Give an image (H, W, 3) uint8 to every logger."""
    pixels = image.cpu().numpy()
    for tracker in accelerator.trackers:
        if tracker.name == "tensorboard":
            tracker.log_images({name: pixels}, step)
        elif tracker.name == "wandb":
            tracker.log_images({name: [pixels]}, step)
        else:
            import trackio

            tracker.log({name: trackio.Image(pixels)}, step)
