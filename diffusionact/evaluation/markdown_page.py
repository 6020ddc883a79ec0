"""The report as Markdown; plots and pictures lie beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .tables import Table, TableRow
from .wording import ABOUT, COLUMNS, PAPER_NOTE, TITLES, best_rows, figure, heading, lost

if TYPE_CHECKING:
    from .picture_rows import PictureGrid
    from .report import Report

PICTURE_PX = 96
NAMED_FRAMES = 20


def markdown_page(report: Report, plots: Mapping[str, Sequence[str]]) -> str:
    """The page; `plots` are files by the name of the table."""
    parts = ["# Evaluation", "\n".join(f"- {name}: {value}" for name, value in report.facts.items())]
    parts += [f"> {note}" for note in report.notes]
    for section in report.sections:
        name = section.table.name
        parts += [f"## {TITLES[name]}", ABOUT[name], table_text(section.table)]
        if plots.get(name):
            parts.append(" ".join(f"![]({path})" for path in plots[name]))
        if section.grid and section.grid.rows:
            parts.append(_grid_text(section.grid))
    parts += ["## Frames that could not be measured", _lost_text(report)]
    columns = dict.fromkeys(column for section in report.sections for column in section.table.columns)
    parts += ["## Columns", "\n".join(f"- **{heading(name)}**: {COLUMNS[name].meaning}" for name in columns)]
    return "\n\n".join(parts) + "\n"


def table_text(table: Table) -> str:
    """A table, the best figure of each column bold, the paper's own below."""
    best = {column: best_rows(table, column) for column in table.columns}
    lines = ["| | " + " | ".join(heading(column) for column in table.columns) + " | frames | |"]
    lines.append("|---|" + "---|" * (len(table.columns) + 2))
    for place, row in enumerate(table.rows):
        figures = (
            f"**{figure(row, column)}**" if place in best[column] else figure(row, column) for column in table.columns
        )
        lines.append(_line(row.label, figures, str(row.frames), lost(row)))
    for row in table.paper:
        lines.append(_paper_line(table, row))
    return "\n".join(lines)


def _paper_line(table: Table, row: TableRow) -> str:
    figures = (figure(row, column) for column in table.columns)
    return _line(f"*{row.label} (table {table.paper_table})*", figures, "", f"*{PAPER_NOTE}*")


def _line(*cells: object) -> str:
    label, figures, frames, note = cells
    return f"| {label} | " + " | ".join(figures) + f" | {frames} | {note} |"


def _grid_text(grid: PictureGrid) -> str:
    lines = ["| " + " | ".join(grid.columns) + " |", "|" + "---|" * len(grid.columns)]
    for row in grid.rows:
        cells = (f'<img src="{path.parent.name}/{path.name}" width="{PICTURE_PX}">' if path else "" for path in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _lost_text(report: Report) -> str:
    if not report.lost and not report.left_out:
        return "None: a face was found in every result and every true frame."
    lines = [f"- {method}: {_names(frames)}" for method, frames in report.lost.items()]
    if report.left_out:
        lines.append(f"- not rendered, for the driver or the source shows no face: {_names(report.left_out)}")
    return "\n".join(lines)


def _names(frames: Sequence[str]) -> str:
    more = f" and {len(frames) - NAMED_FRAMES} more, see results.json" if len(frames) > NAMED_FRAMES else ""
    return ", ".join(frames[:NAMED_FRAMES]) + more
