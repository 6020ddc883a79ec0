"""Checkpoints in a run folder: `checkpoints/step-0001000`. A folder is complete as soon as it has its name.

Folders are written under a hidden name. A process may be killed at any moment: `recover` brings a run folder back to
order before the next session.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from ..configs import TrainingConfig

logger = logging.getLogger(__name__)

FACTS_FILE = "run.json"
SET_ASIDE = "set_aside"
# Of these sections a change alters the course of a run; the others say how long it lasts and what it writes.
COURSE = ("stage", "seed", "data", "optimiser", "settings")
COURSE_OF_LOOP = ("batch_size", "accumulation_steps", "ema_decay", "mixed_precision")


def list_checkpoints(run_folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted((run_folder / "checkpoints").glob("step-*"))


def find_checkpoint(run_folder: Path, name: str) -> Path | None:
    """The checkpoint called `name`. "latest" is the newest, or None where there is none yet.

    Raises:
        FileNotFoundError: if it is not there.
    """
    known = list_checkpoints(run_folder)
    if name == "latest":
        return known[-1] if known else None
    for path in known:
        if path.name == name:
            return path
    names = [path.name for path in known]
    raise FileNotFoundError(
        f"Expected a checkpoint {name!r} in {str(run_folder / 'checkpoints')!r}, received {names}. "
        "Start without --resume, or name one of these."
    )


def save_checkpoint(
    accelerator: Accelerator, run_folder: Path, step: int, config: TrainingConfig, training_frames: int
) -> Path:
    """Write the state of all processes; every process must call this. Removes all but the newest ones.

    Args:
        accelerator: holds what is saved.
        run_folder: gets `checkpoints/step-N`.
        step: optimiser steps done.
        config: stored beside the state, and says how many checkpoints are kept.
        training_frames: how many frames the data has; stored too.
    """
    final = run_folder / "checkpoints" / f"step-{step:07d}"
    temporary = final.with_name(f".{final.name}.tmp")
    if accelerator.is_main_process:
        prepare_replacement(final)
        facts = _facts(config, accelerator.num_processes, training_frames)
        (temporary / FACTS_FILE).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    accelerator.wait_for_everyone()
    accelerator.save_state(str(temporary))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        replace_folder(temporary, final)
        for old in list_checkpoints(run_folder)[: -config.loop.checkpoints_kept]:
            _remove(old)
    accelerator.wait_for_everyone()
    return final


def load_checkpoint(accelerator: Accelerator, checkpoint: Path, config: TrainingConfig, training_frames: int) -> None:
    """Read the state of all processes; every process must call this. Says what has changed since it was written.

    Raises:
        ValueError: if the networks are others, or if another number of processes sees another number of samples per
            step: then every process would read other data than the checkpoint's position in it says.
    """
    path = checkpoint / FACTS_FILE
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        after = json.loads(json.dumps(_facts(config, accelerator.num_processes, training_frames)))
        _check_processes(checkpoint, before, after)
        for change in _changes(before, after):
            logger.warning("changed since %s: %s", checkpoint.name, change)
    try:
        accelerator.load_state(str(checkpoint))
    except torch.cuda.OutOfMemoryError:
        raise
    except (RuntimeError, KeyError, ValueError, FileNotFoundError) as error:
        raise ValueError(
            f"Expected a checkpoint of these networks, received {str(checkpoint)!r}, which does not fit: "
            f"{' '.join(str(error).split())[:300]}. Use the settings of its run ({FACTS_FILE} in it), or another "
            "run_folder."
        ) from error


def set_later_aside(run_folder: Path, checkpoint: Path) -> None:
    """Move the checkpoints after the one that a run goes on from to `set_aside/`, so that "latest" is its own."""
    for later in list_checkpoints(run_folder):
        if later.name > checkpoint.name:
            aside = later.parent / SET_ASIDE / later.name
            aside.parent.mkdir(exist_ok=True)
            if aside.exists():
                _remove(aside)
            os.replace(later, aside)
            logger.warning("%s is of a course that is left; moved to %s", later.name, aside.parent)


def prepare_replacement(final: Path) -> Path:
    """An empty folder in which to write what will become `final`, see `replace_folder`."""
    temporary = final.with_name(f".{final.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    return temporary


def replace_folder(temporary: Path, final: Path) -> None:
    """Put a complete folder where `final` is, which may exist.

    The folder is called `.NAME.new` between being complete and having its name: if the process ends there, `recover`
    goes on from it.
    """
    complete = final.with_name(f".{final.name}.new")
    os.replace(temporary, complete)
    _put(complete, final)


def recover(run_folder: Path) -> None:
    """Finish replacements that a killed process began, and remove what it left half written."""
    for name in ("", "checkpoints", f"checkpoints/{SET_ASIDE}", "bad_batch", "images"):
        folder = run_folder / name
        for complete in _hidden(folder, ".new"):
            _put(complete, folder / complete.name.removeprefix(".").removesuffix(".new"))
        for path in [*_hidden(folder, ".tmp"), *_hidden(folder, ".old")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _hidden(folder: Path, ending: str) -> Iterator[Path]:
    return iter(sorted(folder.glob(f".*{ending}")))


def _put(complete: Path, final: Path) -> None:
    """`.NAME.new` -> NAME. What is there goes to `.NAME.old` first: a folder cannot be replaced in one go."""
    if final.exists():
        _retire(final)
    os.replace(complete, final)
    shutil.rmtree(final.with_name(f".{final.name}.old"), ignore_errors=True)


def _retire(folder: Path) -> Path:
    retired = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(retired, ignore_errors=True)
    os.replace(folder, retired)
    return retired


def _remove(folder: Path) -> None:
    """Remove a folder so that no part of it is ever seen under its name."""
    shutil.rmtree(_retire(folder))


def _facts(config: TrainingConfig, num_processes: int, training_frames: int) -> dict[str, Any]:
    """What a checkpoint says of its run."""
    values = dataclasses.asdict(config)
    course = {name: values[name] for name in COURSE} | {"loop": {name: values["loop"][name] for name in COURSE_OF_LOOP}}
    samples = num_processes * config.loop.batch_size * config.loop.accumulation_steps
    return {
        "num_processes": num_processes,
        "samples_per_step": samples,
        "training_frames": training_frames,
        "config": course,
    }


def _check_processes(checkpoint: Path, before: dict[str, Any], after: dict[str, Any]) -> None:
    if before["num_processes"] == after["num_processes"]:
        return
    if before["samples_per_step"] != after["samples_per_step"]:
        raise ValueError(
            f"Expected {before['num_processes']} processes and {before['samples_per_step']} samples per step as in "
            f"{checkpoint.name}, received {after['num_processes']} and {after['samples_per_step']}. Start as many "
            "processes, or set loop.batch_size and loop.accumulation_steps so that the samples per step stay the same."
        )


def _changes(before: Any, after: Any, where: str = "") -> Iterator[str]:
    """`key: old -> new` of all that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            yield from _changes(before.get(name), after.get(name), f"{where}.{name}".strip("."))
    elif before != after:
        yield f"{where.removeprefix('config.')}: {before} -> {after}"
