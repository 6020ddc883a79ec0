"""`diffusionact batch`: a table of jobs for `reenact`, one row each."""

from __future__ import annotations

import argparse
import csv
import logging
from collections.abc import Callable
from pathlib import Path

import torch

logger = logging.getLogger(__name__)

# Columns that stand for themselves; every other one is an option of `reenact` without its dashes.
SOURCE, DRIVING, OUTPUT = "source", "driving", "output"
# The option that may be given many times; its cell names a driver for each face, with semicolons.
DRIVE = "drive"
# Cells of options that take no value.
YES, NO = ("yes", "true"), ("no", "false")
FAILED = 1


def add_arguments(parser: argparse.ArgumentParser, parse: Callable[[list[str]], argparse.Namespace]) -> None:
    """The arguments; `parse` reads those of a row, as the whole command does."""
    parser.add_argument("table", type=Path, help="a .csv or .tsv file with columns source, output, and options")
    parser.add_argument("--again", action="store_true", help="also rows whose output is there already")
    parser.set_defaults(run=run, parse=parse)


def run(options: argparse.Namespace) -> int:
    """Run every row of `options.table`; a row that fails does not stop the others. Returns 1 if one did.

    Raises:
        ValueError: if the table or a row's options are unusable; nothing is rendered then.
        FileNotFoundError: if there is no such table.
    """
    jobs = [_job(options, row, number) for number, row in enumerate(_rows(options.table), 1)]
    failed = 0
    for number, job in enumerate(jobs, 1):
        if job.output.exists() and not options.again:
            logger.info("Row %d of %d: %s is there already", number, len(jobs), job.output)
            continue
        logger.info("Row %d of %d: %s", number, len(jobs), job.output)
        try:
            job.run(job)
        except (ValueError, OSError, MemoryError, torch.cuda.OutOfMemoryError) as error:
            failed += 1
            logger.error("Row %d failed: %s", number, error)
    logger.info("%d rows, %d failed", len(jobs), failed)
    return FAILED if failed else 0


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows by column; empty cells are left out."""
    if not path.is_file():
        raise FileNotFoundError(f"Expected a table of jobs, received {str(path)!r}, which is no file. Check the path.")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter, restkey="", skipinitialspace=True)
        rows = [dict(row) for row in reader]
    for number, row in enumerate(rows, 1):
        if "" in row or not row.get(SOURCE) or not row.get(OUTPUT):
            raise ValueError(
                f"Expected {SOURCE} and {OUTPUT} and no more cells than columns in row {number} of {path}, received "
                f"{row}. Correct the row."
            )
    if not rows:
        raise ValueError(f"Expected rows below the names of the columns in {path}, received none. Add some.")
    return [{name.strip(): cell.strip() for name, cell in row.items() if cell and cell.strip()} for row in rows]


def _job(options: argparse.Namespace, row: dict[str, str], number: int) -> argparse.Namespace:
    """What `reenact` would have been told; its files are found from the table's folder."""
    folder = options.table.parent
    words = ["reenact", str(folder / row[SOURCE])]
    words += [str(folder / row[DRIVING])] if DRIVING in row else []
    words += ["--output", str(folder / row[OUTPUT])]
    for name, cell in row.items():
        if name in (SOURCE, DRIVING, OUTPUT) or cell.lower() in NO:
            continue
        option = "--" + name.lstrip("-").replace("_", "-")
        if option == f"--{DRIVE}":
            words += [f"{option}={_found(folder, part.strip())}" for part in cell.split(";")]
            continue
        words += [option] if cell.lower() in YES else [f"{option}={cell}"]
    if options.again:
        words.append("--overwrite")
    try:
        return options.parse(words)
    except SystemExit as error:  # argparse has said why
        raise ValueError(f"Expected options of reenact in row {number}, received {words[1:]}. See above.") from error


def _found(folder: Path, word: str) -> str:
    """FACE=WHAT, where WHAT may be a file of the table's folder."""
    face, _, what = word.partition("=")
    path = folder / what.strip()
    return f"{face}={path}" if what.strip() and path.exists() else word
