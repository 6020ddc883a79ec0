"""The authors' files, wherever they lie, into the weights folder: recognised, converted, and reported one by one."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from ..weights import catalogue_entry, make_weights_folder
from .archives import FoundFile, found_files
from .candidates import best_candidate
from .import_steps import STEPS, ImportDestination, Outcome, Step
from .recognition import recognise


def import_files(paths: Sequence[Path], folder: Path, overwrite: bool = False, progress: bool = True) -> list[Outcome]:
    """Import everything behind `paths`; a file that fails does not stop the others.

    Args:
        paths: files, folders, zip or tar archives.
        folder: the weights folder; made if it is not there.
        overwrite: replace what is there already.
        progress: show bars.

    Raises:
        FileNotFoundError: if a path does not exist.
        OSError: if there is no room, or the weights folder cannot be written.
    """
    make_weights_folder(folder)
    # Beside the result, not in the system's temporary folder: gigabytes may not fit there.
    with tempfile.TemporaryDirectory(prefix=".import.", dir=folder, ignore_cleanup_errors=True) as temporary:
        found = list(found_files(paths, Path(temporary)))
        outcomes, recognised = _recognise_all(found, progress)
        chosen = _choose(recognised, outcomes)
        steps = [step for step in STEPS if chosen.keys() & set(step.sources)]
        for step in tqdm(steps, desc="Import", unit="component", disable=not progress, leave=False):
            outcomes += _carry_out(step, chosen, ImportDestination(folder, overwrite, progress))
    return outcomes


def _recognise_all(found: Sequence[FoundFile], progress: bool) -> tuple[list[Outcome], dict[str, list[FoundFile]]]:
    outcomes: list[Outcome] = []
    recognised: dict[str, list[FoundFile]] = {}
    for file in tqdm(found, desc="Look into", unit="file", disable=not progress, leave=False):
        if file.problem:
            outcomes.append(Outcome(file.shown, "unknown", file.problem, "failed"))
            continue
        recognition = recognise(file.path)
        if recognition.name is None:
            what = "settings" if recognition.is_settings else "unknown"
            status = "failed" if file.is_named and what == "unknown" else "left"
            outcomes.append(Outcome(file.shown, what, recognition.reason, status))
            continue
        entry = catalogue_entry(recognition.name)
        if entry.component:
            recognised.setdefault(entry.name, []).append(file)
        else:
            outcomes.append(Outcome(file.shown, entry.name, entry.purpose, "left"))
    return outcomes, recognised


def _choose(recognised: dict[str, list[FoundFile]], outcomes: list[Outcome]) -> dict[str, FoundFile]:
    """One file for each entry; the others go into `outcomes`."""
    chosen = {}
    for name, files in recognised.items():
        try:
            chosen[name] = best_candidate(name, files)
        except ValueError as error:
            outcomes += [Outcome(file.shown, name, str(error), "failed") for file in files]
            continue
        others = [file for file in files if file is not chosen[name]]
        outcomes += [Outcome(file.shown, name, f"{chosen[name].shown} was taken instead", "left") for file in others]
    return chosen


def _carry_out(step: Step, chosen: dict[str, FoundFile], destination: ImportDestination) -> list[Outcome]:
    sources = {name: chosen[name] for name in step.sources if name in chosen}
    shown = " + ".join(file.shown for file in sources.values())
    try:
        return [replace(outcome, shown=outcome.shown or shown) for outcome in step.run(destination, sources)]
    except ValueError as error:
        return [Outcome(shown, step.name, str(error), "failed")]
