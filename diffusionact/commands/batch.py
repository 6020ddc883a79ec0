"""`diffusionact batch`: a table of jobs for `reenact`, one row each, in this process or on many machines."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from functools import partial

from .. import scale
from ..checks import check_positive_int
from .batch_parts import PartWorker, one_per_row
from .batch_rows import OUTPUT, Row, RowWorker, check_options
from .batch_table import read_rows

logger = logging.getLogger(__name__)

FAILED = 1
INTERRUPTED = 130
SUMMARY_SUFFIX = ".summary.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument(
        "table", help="a .csv, .tsv or .jsonl file with columns source, driving, output, and options; path or address"
    )
    parser.add_argument("--again", action="store_true", help="also rows whose output is there already")
    parser.add_argument(
        "--summary", metavar="FILE", help=f"what became of the rows, as JSON (default: TABLE{SUMMARY_SUFFIX})"
    )
    parser.add_argument(
        "--split-frames",
        type=int,
        metavar="N",
        help="render clips of more than N frames in parts of N, which workers share; the output is the same",
    )
    scale.add_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run every row of `options.table`; a row that fails does not stop the others. Returns 1 if one did.

    Args:
        options: `options.parse` reads the words of a row, as the whole command does.

    Raises:
        ValueError: if the table or a row's options are unusable; nothing is rendered then.
        FileNotFoundError: if there is no such table.
        ModuleNotFoundError: if a package for --ray or for a store is missing.
    """
    folder = scale.parent(options.table)
    rows = read_rows(options.table)
    check_options(rows, folder, options.parse)
    outcomes = _outcomes(rows, folder, options)
    summary = scale.Summary(
        options.summary or options.table + SUMMARY_SUFFIX, len(rows), lambda index: rows[index].cells[OUTPUT]
    )
    try:
        for outcome in summary.follow(outcomes, "Batch", "row"):
            _report(rows[outcome.index], outcome)
    except KeyboardInterrupt:
        logger.info("Interrupted; finished rows are kept. The same command goes on from there.")
        return INTERRUPTED
    logger.info("%d rows, %d failed; see %s", len(rows), len(summary.set_aside), summary.path)
    return FAILED if summary.set_aside else 0


def _outcomes(rows: list[Row], folder: str, options: argparse.Namespace) -> Iterator[scale.Outcome]:
    """What becomes of each row."""
    worker = folder, options.parse, options.again
    if options.split_frames is None:
        return scale.run_tasks(partial(RowWorker, *worker), rows, options)
    check_positive_int("--split-frames", options.split_frames)
    tasks = list(rows)
    outcomes = scale.run_tasks(partial(PartWorker, *worker, options.split_frames), tasks, options, grows=True)
    return one_per_row(outcomes, tasks)


def _report(row: Row, outcome: scale.Outcome) -> None:
    if outcome.last.error:
        tries = "1 try" if outcome.tries == 1 else f"{outcome.tries} tries"
        logger.error("Row %d failed after %s: %s", row.number, tries, outcome.last.error)
