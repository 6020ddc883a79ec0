"""Finished work on disk: a line of JSON per pair and method, and the settings that all lines share.

A process appends to a file of its own and never rewrites it, so that a kill costs the pair at work and no more.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from ..images import written_under_temporary_name

SETTINGS_NAME = "settings.json"
PARTS = "parts"
MODELS = "models"

Line = dict[str, Any]


class ResultStore:
    """The results of one output folder, as one process sees them; a context manager.

    Args:
        folder: of the report.
        settings: what the figures depend on, text and numbers. The entry "models" is laid beside that of earlier
            runs; every other entry, and the settings of a model of the same name, must be those of the folder.
        part: number of this process, from 0.
        parts: how many there are.

    Raises:
        ValueError: if the folder holds results of other settings.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], part: int = 0, parts: int = 1):
        self.folder = folder
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        _keep_settings(folder / SETTINGS_NAME, settings)
        self._path = folder / PARTS / f"part-{part:03d}-of-{parts:03d}.jsonl"
        _cut_torn_line(self._path)
        self._file = self._path.open("a", encoding="utf-8")

    def __enter__(self) -> ResultStore:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, line: Line) -> None:
        """Append a result; on disk when this returns."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def lines(self) -> dict[tuple[str, str], Line]:
        """All results of all processes so far, by method and key."""
        found: dict[tuple[str, str], Line] = {}
        for path in sorted((self.folder / PARTS).glob("*.jsonl")):
            for text in path.read_text(encoding="utf-8").splitlines(keepends=True):
                if text.endswith("\n"):  # else another process is writing it
                    line = json.loads(text)
                    found[line["method"], line["key"]] = line
        return found


def _keep_settings(path: Path, settings: dict[str, Any]) -> None:
    """Write the settings, or compare them with those of the folder and add new models to them."""
    # Through JSON, so that what is compared has the types of what was read.
    settings = json.loads(json.dumps(settings))
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        models = before.pop(MODELS)
        for name, facts in settings[MODELS].items():
            _compare(path, f"model {name!r}", models.get(name, facts), facts)
        for name in settings.keys() - {MODELS}:
            _compare(path, name, before.get(name), settings[name])
        settings[MODELS] = models | settings[MODELS]
    with written_under_temporary_name(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def _compare(path: Path, name: str, before: Any, now: Any) -> None:
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        changed = [key for key in now if before.get(key) != now[key]] or [key for key in before if key not in now]
        name, before, now = f"{name}, {changed[0]}", before.get(changed[0]), now.get(changed[0])
    raise ValueError(
        f"Expected the settings that the results in {str(path.parent)!r} were made with ({name}: {before}), received "
        f"{name}: {now}. Choose another --output, or remove that folder."
    )


def _cut_torn_line(path: Path) -> None:
    """Remove a last line that a killed process did not finish."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with path.open("r+b") as file:
            file.truncate(len(whole))
