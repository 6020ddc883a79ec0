"""Tables of jobs: .csv, .tsv and .jsonl files, local or in a store, as rows of cells."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from .. import scale
from .batch_rows import OUTPUT, SOURCE, Row

LINES_SUFFIX = ".jsonl"


def read_rows(path: str) -> list[Row]:
    """The rows of a table; empty cells are left out.

    Raises:
        FileNotFoundError: if there is no such table.
        ValueError: if it has no rows, or one of them lacks its source or its output.
    """
    if not scale.is_remote(path) and not Path(path).is_file():
        raise FileNotFoundError(f"Expected a table of jobs, received {path!r}, which is no file. Check the path.")
    text = scale.read_text(path)
    cells = _cells_of_lines(path, text) if path.lower().endswith(LINES_SUFFIX) else _cells_of_columns(path, text)
    rows = []
    for number, row in enumerate(cells, 1):
        filled = {_column(name): cell.strip() for name, cell in row.items() if name and cell and cell.strip()}
        if "" in row or SOURCE not in filled or OUTPUT not in filled:
            raise ValueError(
                f"Expected {SOURCE} and {OUTPUT} and no more cells than columns in row {number} of {path}, received "
                f"{row}. Correct the row."
            )
        rows.append(Row(number, filled))
    if not rows:
        raise ValueError(f"Expected rows below the names of the columns in {path}, received none. Add some.")
    return rows


def _column(name: str) -> str:
    """One name for save_poses, save-poses and --save-poses, as stores and motions are looked for by name."""
    return name.strip().lstrip("-").replace("_", "-")


def _cells_of_columns(path: str, text: str) -> Iterator[dict[str, str]]:
    delimiter = "\t" if path.lower().endswith(".tsv") else ","
    lines = io.StringIO(text, newline="")
    return map(dict, csv.DictReader(lines, delimiter=delimiter, restkey="", skipinitialspace=True))


def _cells_of_lines(path: str, text: str) -> Iterator[dict[str, str]]:
    """An object a line; true and false are options without a value, null is an empty cell."""
    words = {True: "yes", False: "no", None: ""}
    for number, line in enumerate(filter(str.strip, text.split("\n")), 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"Expected JSON in row {number} of {path}, received {error}. Correct the row.") from error
        if not isinstance(row, dict) or any(isinstance(cell, list | dict) for cell in row.values()):
            raise ValueError(
                f"Expected an object of text and numbers in row {number} of {path}, received {line[:80]!r}. Correct it."
            )
        yield {name: words[cell] if cell is None or isinstance(cell, bool) else str(cell) for name, cell in row.items()}
