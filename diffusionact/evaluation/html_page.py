"""The report as one HTML file: style, plots and images are inside, nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from .image_rows import ImageGrid
    from .report import Report

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1180px; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .3rem; border-top: 1px solid #ddd; padding-top: 1.2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .6rem 0; }
dt { color: #666; } dd { margin: 0; }
p.note { background: #fff7e0; border-left: 3px solid #e69f00; padding: .4rem .8rem; }
nav a { margin-right: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0; }
.figures th, .figures td { padding: .25rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid #eee; }
.figures th:first-child, .figures td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
.figures td:last-child { text-align: left; color: #777; font-size: .85em; }
.figures thead th { border-bottom: 2px solid #999; cursor: help; }
.figures .best { font-weight: 700; }
.figures small { color: #888; font-weight: 400; }
.figures .paper td { color: #777; font-style: italic; }
.small { color: #777; font-size: .85em; margin: .2rem 0; }
.charts { display: flex; flex-wrap: wrap; gap: 14px 26px; align-items: flex-start; margin: 1rem 0; }
.images th { font-weight: 600; font-size: .8rem; padding: .2rem; max-width: 136px; vertical-align: bottom; }
.images td { padding: 2px; } .images img { display: block; width: 128px; height: 128px; }
"""


def html_page(report: Report) -> str:
    """The whole page."""
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in report.facts.items())
    names = [section.table.name for section in report.sections]
    links = "".join(f"<a href='#{name}'>{escape(TITLES[name])}</a>" for name in names)
    notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in report.notes)
    sections = []
    for section in report.sections:
        name = section.table.name
        sections.append(f"<h2 id='{name}'>{escape(TITLES[name])}</h2><p>{escape(ABOUT[name])}</p>")
        sections.append(_table(section.table))
        if section.charts:
            sections.append(f"<div class='charts'>{''.join(section.charts)}</div>")
        if section.grid and section.grid.rows:
            sections.append(_grid(section.grid))
    columns = dict.fromkeys(column for section in report.sections for column in section.table.columns)
    meanings = "".join(f"<dt>{escape(heading(name))}</dt><dd>{escape(COLUMNS[name].meaning)}</dd>" for name in columns)
    body = (
        f"<h1>Evaluation</h1><dl>{facts}</dl>{notes}<nav>{links}</nav>{''.join(sections)}"
        f"<h2>Frames that could not be measured</h2>{_lost(report)}<h2>Columns</h2><dl>{meanings}</dl>"
        "<p>The small figure is the standard error over videos. Bold is the best of baselines and models.</p>"
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Evaluation</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def _table(table: Table) -> str:
    parts = "".join(_part(table, columns) for columns in column_groups(table))
    return parts + (f"<p class='small'>{escape(PAPER_NOTE)}</p>" if table.paper else "")


def _part(table: Table, columns: Sequence[str]) -> str:
    best = {column: best_rows(table, column) for column in columns}
    heads = "".join(
        f"<th title='{escape(COLUMNS[column].meaning, quote=True)}'>{escape(heading(column))}</th>"
        for column in columns
    )
    rows = []
    for place, row in enumerate(table.rows):
        cells = ""
        for column in columns:
            mark = " class='best'" if place in best[column] else ""
            cells += f"<td{mark}>{figure(row, column)}{_error(row.errors.get(column), column)}</td>"
        rows.append(f"<tr><td>{escape(row.label)}</td>{cells}<td>{row.frames}</td><td>{escape(lost(row))}</td></tr>")
    for row in paper_rows(table, columns):
        cells = "".join(f"<td>{figure(row, column)}</td>" for column in columns)
        rows.append(f"<tr class='paper'><td>{escape(paper_label(table, row))}</td>{cells}<td></td><td></td></tr>")
    return (
        f"<div class='wide'><table class='figures'><thead><tr><th></th>{heads}<th>frames</th><th></th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _error(error: float | None, column: str) -> str:
    return "" if error is None else f" <small>±{error:.{COLUMNS[column].digits}f}</small>"


def _grid(grid: ImageGrid) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in grid.columns)
    rows = "".join(f"<tr>{''.join(_image(path) for path in row)}</tr>" for row in grid.rows)
    return f"<div class='wide'><table class='images'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"


def _image(path: Path | None) -> str:
    if path is None:
        return "<td></td>"
    content = base64.b64encode(path.read_bytes()).decode()
    return f"<td><img alt='{escape(path.stem, quote=True)}' src='data:image/png;base64,{content}'></td>"


def _lost(report: Report) -> str:
    if not report.lost and not report.left_out:
        return "<p>None: a face was found in every result and every true frame.</p>"
    items = [_names(method, frames) for method, frames in report.lost.items()]
    if report.left_out:
        items.append(_names("not rendered, for the driver or the source shows no face", report.left_out))
    return "".join(items)


def _names(title: str, frames: Sequence[str]) -> str:
    words = escape(", ".join(frames))
    return f"<details><summary>{escape(title)}: {len(frames)}</summary>{words}</details>"
