"""Writes a report: results.json, report.md with its images, and report.html, one file with everything in it.

The page and the plots need the extra `evaluate` (Jinja2 and matplotlib); without it they are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..images import written_under_temporary_name
from .frame_set import FrameSet
from .image_rows import image_grid
from .markdown_page import markdown_page
from .plan import all_tasks
from .plot_data import plots_of
from .protocols import Protocol, write_pairs
from .report_content import Report, Section
from .result_store import SETTINGS_NAME, Line, ResultStore
from .tables import make_tables

RESULTS_NAME = "results.json"
PAIRS_NAME = "pairs.json"
MARKDOWN_NAME = "report.md"
HTML_NAME = "report.html"
PLOTS = "plots"
# Of the extra `evaluate`; imported by html_page.py and plots.py alone.
PAGE_PACKAGES = ("jinja2", "matplotlib")


def missing_page_packages() -> list[str]:
    """Which of the packages behind the HTML page and the plots are not installed."""
    return [name for name in PAGE_PACKAGES if find_spec(name) is None]


def write_report(
    store: ResultStore,
    frames: FrameSet,
    protocols: Sequence[Protocol],
    models: Sequence[str],
    facts: dict[str, str],
    notes: Sequence[str],
) -> Report:
    """Write the pages from the results that are there; without the extra `evaluate` no HTML page and no plots."""
    made = store.lines()
    needed = all_tasks(frames, protocols, models)
    # The folder may hold more: other protocols, other models.
    keys = ((method, task.key) for method, tasks in needed.items() for task in tasks)
    results = {key: made[key] for key in keys if key in made}
    sections = _sections(store.folder, frames, protocols, models, results)
    report = Report(facts, tuple(notes), sections, *lost_frames(results))
    settings = json.loads((store.folder / SETTINGS_NAME).read_text(encoding="utf-8"))
    _write(store.folder / RESULTS_NAME, json.dumps(results_json(report, settings), indent=1, allow_nan=False) + "\n")
    _write(store.folder / PAIRS_NAME, write_pairs(frames, protocols))
    _write_pages(store.folder, report)
    return report


def _sections(
    folder: Path,
    frames: FrameSet,
    protocols: Sequence[Protocol],
    models: Sequence[str],
    results: dict[tuple[str, str], Line],
) -> tuple[Section, ...]:
    """Tables with their plots and images; the tables that are made of others have neither."""
    by_name = {protocol.name: protocol for protocol in protocols}
    sections = []
    for table in make_tables(frames, protocols, models, results):
        protocol = by_name.get(table.name)
        if protocol is None:
            sections.append(Section(table, (), None))
            continue
        plots = tuple(plots_of(frames, protocol, table, models, results))
        sections.append(Section(table, plots, image_grid(folder, frames, protocol, models, results)))
    return tuple(sections)


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


def _write_pages(folder: Path, report: Report) -> None:
    """The Markdown page, and with the extra the plots beside it and the HTML page with the same plots inside."""
    if missing_page_packages():
        _write(folder / MARKDOWN_NAME, markdown_page(report, {}))
        (folder / HTML_NAME).unlink(missing_ok=True)  # that of an earlier run would not be of these figures
        return
    from .html_page import html_page
    from .plots import svg

    drawings = {section.table.name: [svg(plot) for plot in section.plots] for section in report.sections}
    _write(folder / MARKDOWN_NAME, markdown_page(report, _write_plots(folder, drawings)))
    _write(folder / HTML_NAME, html_page(report, drawings))


def _write_plots(folder: Path, drawings: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Plots as files for the Markdown page; their names by table."""
    (folder / PLOTS).mkdir(exist_ok=True)
    names: dict[str, list[str]] = {}
    for table, documents in drawings.items():
        names[table] = [f"{PLOTS}/{table}-{number}.svg" for number in range(len(documents))]
        for name, document in zip(names[table], documents, strict=True):
            _write(folder / name, document)
    return names


def _write(path: Path, text: str) -> None:
    with written_under_temporary_name(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
