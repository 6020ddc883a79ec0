"""Checkpoints in a run folder: `checkpoints/step-0001000`, written under a hidden name and then renamed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from accelerate import Accelerator


def list_checkpoints(run_folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted((run_folder / "checkpoints").glob("step-*"))


def find_checkpoint(run_folder: Path, name: str) -> Path:
    """The checkpoint called `name`, or the newest for "latest".

    Raises:
        FileNotFoundError: if it is not there.
    """
    known = list_checkpoints(run_folder)
    if name == "latest" and known:
        return known[-1]
    for path in known:
        if path.name == name:
            return path
    names = [path.name for path in known]
    raise FileNotFoundError(
        f"Expected a checkpoint {name!r} in {str(run_folder / 'checkpoints')!r}, received {names}. "
        "Start without --resume, or name one of these."
    )


def save_checkpoint(accelerator: Accelerator, run_folder: Path, step: int, kept: int) -> Path:
    """Write the state of all processes; every process must call this. Removes all but the newest `kept`."""
    final = run_folder / "checkpoints" / f"step-{step:07d}"
    temporary = final.with_name(f".{final.name}.tmp")
    if accelerator.is_main_process:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(temporary))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        replace_folder(temporary, final)
        for old in list_checkpoints(run_folder)[:-kept]:
            shutil.rmtree(old)
    accelerator.wait_for_everyone()
    return final


def replace_folder(temporary: Path, final: Path) -> None:
    """Put a complete folder in the place of `final`, which may exist."""
    if final.exists():
        retired = final.with_name(f".{final.name}.old.tmp")
        shutil.rmtree(retired, ignore_errors=True)
        os.replace(final, retired)
        os.replace(temporary, final)
        shutil.rmtree(retired)
    else:
        os.replace(temporary, final)
