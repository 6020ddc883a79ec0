"""The report as Markdown; plots and images lie beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from .image_rows import ImageGrid
from .report_content import Report
from .tables import Table
from .wording import (
    ABOUT,
    COLUMNS,
    PAPER_NOTE,
    TITLES,
    best_rows,
    column_groups,
    figure,
    heading,
    lost,
    paper_label,
    paper_rows,
)

IMAGE_PX = 96
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
    """A table in one or two parts, the best figure of each column bold, the paper's own below."""
    parts = [_part_text(table, columns) for columns in column_groups(table)]
    return "\n\n".join(parts + ([f"*{PAPER_NOTE}*"] if table.paper else []))


def _part_text(table: Table, columns: Sequence[str]) -> str:
    best = {column: best_rows(table, column) for column in columns}
    lines = ["| | " + " | ".join(heading(column) for column in columns) + " | frames | |"]
    lines.append("|---|" + "---|" * (len(columns) + 2))
    for index, row in enumerate(table.rows):
        figures = (f"**{figure(row, column)}**" if index in best[column] else figure(row, column) for column in columns)
        lines.append(_line(row.label, figures, str(row.frames), lost(row)))
    for row in paper_rows(table, columns):
        lines.append(_line(f"*{paper_label(table, row)}*", (figure(row, column) for column in columns), "", ""))
    return "\n".join(lines)


def _line(label: str, figures: Iterable[str], frames: str, note: str) -> str:
    return f"| {label} | " + " | ".join(figures) + f" | {frames} | {note} |"


def _grid_text(grid: ImageGrid) -> str:
    lines = ["| " + " | ".join(grid.columns) + " |", "|" + "---|" * len(grid.columns)]
    for row in grid.rows:
        # The name of a frame may hold a quoted slash, which a reader of the page would take for a folder.
        names = (f"{path.parent.name}/{quote(path.name)}" if path else "" for path in row)
        cells = (f'<img src="{name}" width="{IMAGE_PX}">' if name else "" for name in names)
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
