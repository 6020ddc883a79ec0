"""Writes a report: results.json, report.md with its images, and report.html, one file with everything in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..images import written_under_temporary_name
from .charts import charts
from .frame_set import FrameSet
from .html_page import html_page
from .image_rows import ImageGrid, image_grid
from .markdown_page import markdown_page
from .plan import all_tasks
from .protocols import Protocol, write_pairs
from .result_store import SETTINGS_NAME, Line, ResultStore
from .tables import Table, make_tables

RESULTS_NAME = "results.json"
PAIRS_NAME = "pairs.json"
MARKDOWN_NAME = "report.md"
HTML_NAME = "report.html"
PLOTS = "plots"


@dataclass(frozen=True)
class Section:
    """A table with its plots and images.

    Attributes:
        table: the figures.
        charts: `<svg>` elements.
        grid: None where the table has no images of its own.
    """

    table: Table
    charts: tuple[str, ...]
    grid: ImageGrid | None


@dataclass(frozen=True)
class Report:
    """Everything that the pages print.

    Attributes:
        facts: name -> value of the lines at the top.
        notes: what a reader has to know, a sentence each.
        sections: in order.
        lost: method -> frames in whose result no face was found.
        left_out: driving frames, and sources, in which no face was found.
    """

    facts: dict[str, str]
    notes: tuple[str, ...]
    sections: tuple[Section, ...]
    lost: dict[str, list[str]]
    left_out: list[str]


def write_report(
    store: ResultStore,
    frames: FrameSet,
    protocols: Sequence[Protocol],
    models: Sequence[str],
    facts: dict[str, str],
    notes: Sequence[str],
) -> Report:
    """Write the pages from the results that are there."""
    made = store.lines()
    needed = all_tasks(frames, protocols, models)
    # The folder may hold more: other protocols, other models.
    keys = ((method, task.key) for method, tasks in needed.items() for task in tasks)
    results = {key: made[key] for key in keys if key in made}
    tables = make_tables(frames, protocols, models, results)
    sections = []
    by_name = {protocol.name: protocol for protocol in protocols}
    for table in tables:
        protocol = by_name.get(table.name)
        drawn, grid = (), None
        if protocol is not None:
            drawn = tuple(charts(frames, protocol, table, models, results))
            grid = image_grid(store.folder, frames, protocol, models, results)
        sections.append(Section(table, drawn, grid))
    report = Report(facts, tuple(notes), tuple(sections), *lost_frames(results))
    settings = json.loads((store.folder / SETTINGS_NAME).read_text(encoding="utf-8"))
    _write(store.folder / RESULTS_NAME, json.dumps(results_json(report, settings), indent=1, allow_nan=False) + "\n")
    _write(store.folder / PAIRS_NAME, write_pairs(frames, protocols))
    _write(store.folder / MARKDOWN_NAME, markdown_page(report, _write_plots(store.folder, sections)))
    _write(store.folder / HTML_NAME, html_page(report))
    return report


def lost_frames(results: Mapping[tuple[str, str], Line]) -> tuple[dict[str, list[str]], list[str]]:
    """Names of the frames that could not be measured: by method, and those that were not rendered."""
    lost: dict[str, list[str]] = {}
    left_out: dict[str, None] = {}
    for (method, _), line in results.items():
        for key, found in zip(line["driving"], line["found"], strict=True):
            if not found:
                lost.setdefault(method, []).append(f"{line['source']} > {key}")
        left_out |= dict.fromkeys(line["without_driver"])
    return lost, list(left_out)


def results_json(report: Report, settings: dict[str, Any]) -> dict[str, Any]:
    """Figures and settings, without plots and images."""
    return {
        "settings": settings,
        "facts": report.facts,
        "notes": list(report.notes),
        "tables": [asdict(section.table) for section in report.sections],
        "results_without_a_face": report.lost,
        "driving_frames_left_out": report.left_out,
    }


def _write_plots(folder: Path, sections: Sequence[Section]) -> dict[str, list[str]]:
    """Plots as files for the Markdown page; their names by table."""
    (folder / PLOTS).mkdir(exist_ok=True)
    names: dict[str, list[str]] = {}
    for section in sections:
        for number, chart in enumerate(section.charts):
            name = f"{PLOTS}/{section.table.name}-{number}.svg"
            _write(folder / name, chart + "\n")
            names.setdefault(section.table.name, []).append(name)
    return names


def _write(path: Path, text: str) -> None:
    with written_under_temporary_name(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
