"""One row of `diffusionact batch` as a run of `reenact`, wherever it runs; the model is kept from row to row."""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import scale
from ..motion.files import PRESETS
from ..pipelines.group_clip import OWN
from .loading import HeldPipeline

logger = logging.getLogger(__name__)

# Columns that stand for themselves; every other one is an option of `reenact` without its dashes.
SOURCE, DRIVING, OUTPUT = "source", "driving", "output"
# The option that may be given many times; its cell names a driver for each face, with semicolons.
DRIVE = "drive"
# Options that name files: read before the run, or written by it.
READ, WRITTEN = (SOURCE, DRIVING, "motion"), ("matte", "report", "save-poses", OUTPUT)
# Cells of options that take no value.
YES, NO = ("yes", "true"), ("no", "false")
# What became of a row.
MADE, THERE = "written", "there already"

Parse = Callable[[list[str]], argparse.Namespace]


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        number: from 1, for people.
        cells: column -> text, without empty ones; columns as options are written, without the dashes before.
    """

    number: int
    cells: dict[str, str]


class RowWorker:
    """Renders rows; holds the model of the last one, as the next most often wants the same.

    Args:
        folder: of the table: names of source, driving and output are seen from there.
        parse: reads the words of a command.
        again: also rows whose output is there.
    """

    def __init__(self, folder: str, parse: Parse, again: bool):
        self._folder, self._parse, self._again = folder, parse, again
        self._held, self._copies = HeldPipeline(), scale.LocalCopies()

    def __call__(self, row: Row) -> str:
        """Render a row; returns MADE or THERE."""
        output = scale.join(self._folder, row.cells[OUTPUT])
        if self._is_there(row):
            logger.info("Row %d: %s is there already", row.number, output)
            return THERE
        logger.info("Row %d: %s", row.number, output)
        with self._job(row) as (job, to_publish):
            job.run(job)
            for file, address in to_publish:  # the output comes last: with it, the row is done
                scale.publish(file, address)
        return MADE

    def _is_there(self, row: Row) -> bool:
        return not self._again and scale.exists(scale.join(self._folder, row.cells[OUTPUT]))

    @contextmanager
    def _job(self, row: Row) -> Iterator[tuple[argparse.Namespace, list[tuple[Path, str]]]]:
        """The options of a row with local files, and which of them are to be put into a store."""
        with tempfile.TemporaryDirectory(prefix="diffusionact-") as scratch:
            cells, to_publish = self._with_local_files(_placed(row, self._folder).cells, Path(scratch))
            job = _parsed(self._parse, _words(cells, self._again), row.number)
            job.held_pipeline = self._held
            yield job, to_publish

    def _with_local_files(self, cells: dict[str, str], scratch: Path) -> tuple[dict[str, str], list[tuple[Path, str]]]:
        """The cells with local files in place of addresses, and which of them are to be put into a store."""
        local, to_publish = dict(cells), []
        for name in READ:
            if scale.is_remote(cells.get(name, "")):
                local[name] = str(self._copies.fetch(cells[name]))
        if DRIVE in cells:
            local[DRIVE] = ";".join(map(self._with_local_driver, cells[DRIVE].split(";")))
        for name in WRITTEN:
            address = cells.get(name, "")
            if scale.is_remote(address):
                file = scratch / name / address.rpartition("/")[2]
                if not file.suffix:
                    raise ValueError(f"Expected a file as {name} in a store, received {address!r}. Write a video.")
                to_publish.append((file, address))
                local[name] = str(file)
        return local, to_publish

    def _with_local_driver(self, word: str) -> str:
        """FACE=WHAT with a local file in place of an address."""
        face, _, what = word.partition("=")
        return f"{face}={self._copies.fetch(what)}" if scale.is_remote(what) else word


def check_options(rows: Sequence[Row], folder: str, parse: Parse) -> None:
    """See that `reenact` knows the options of all rows, and that no two rows write one file.

    Raises:
        ValueError: if not; argparse has said on stderr which word it does not know.
    """
    known: set[tuple[tuple[str, str], ...]] = set()
    writers: dict[str, int] = {}
    for row in rows:
        _check_written(row, folder, writers)
        own = tuple(item for item in row.cells.items() if item[0] not in (SOURCE, DRIVING, OUTPUT))
        if own in known:  # a million rows most often have a few sets of options
            continue
        _parsed(parse, _words(_placed(row, folder).cells, again=False), row.number)
        known.add(own)


def _check_written(row: Row, folder: str, writers: dict[str, int]) -> None:
    """See that no row before writes a file of this one; `writers` says which row writes what."""
    for name in WRITTEN:
        if name not in row.cells:
            continue
        path = scale.join(folder, row.cells[name]) if name == OUTPUT else row.cells[name]
        if (other := writers.setdefault(path, row.number)) != row.number:
            raise ValueError(
                f"Expected a file of its own for every row's {name}, received {path!r} in rows {other} and "
                f"{row.number}. Give one of them another name."
            )


def _parsed(parse: Parse, words: list[str], number: int) -> argparse.Namespace:
    try:
        return parse(words)
    except SystemExit as error:  # argparse has said why; the other rows must go on
        message = f"Expected options of reenact in row {number}, received {words[1:]}. See above."
        raise ValueError(message) from error


def _placed(row: Row, folder: str) -> Row:
    """The row with source, driving and output as seen from here."""
    placed = {name: scale.join(folder, row.cells[name]) for name in (SOURCE, DRIVING, OUTPUT) if name in row.cells}
    if DRIVE in row.cells:
        placed[DRIVE] = ";".join(_found(folder, part.strip()) for part in row.cells[DRIVE].split(";"))
    return Row(row.number, row.cells | placed)


def _found(folder: str, word: str) -> str:
    """FACE=WHAT, where WHAT may be a file of the table's folder; in a store, all that is no motion of ours is one."""
    face, _, what = (part.strip() for part in word.partition("="))
    if not what or what == OWN or what in PRESETS:
        return word
    path = scale.join(folder, what)
    return f"{face}={path}" if scale.is_remote(path) or Path(path).exists() else word


def _words(cells: dict[str, str], again: bool) -> list[str]:
    """What `reenact` would have been told."""
    words = ["reenact", cells[SOURCE]]
    words += [cells[DRIVING]] if DRIVING in cells else []
    words += ["--output", cells[OUTPUT]]
    for name, cell in cells.items():
        if name in (SOURCE, DRIVING, OUTPUT) or cell.lower() in NO:
            continue
        option = f"--{name}"
        if name == DRIVE:
            words += [f"{option}={part}" for part in cell.split(";")]
            continue
        words += [option] if cell.lower() in YES else [f"{option}={cell}"]
    return words + ["--overwrite"] if again else words
