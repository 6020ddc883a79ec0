"""The report as one HTML file: style, plots and images are inside, nothing is loaded from elsewhere.

The page is the template `templates/report.html.jinja`; only this file imports Jinja2.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from . import wording
from .report_content import Report
from .tables import TableRow

TEMPLATES = Path(__file__).with_name("templates")
TEMPLATE_NAME = "report.html.jinja"


def html_page(report: Report, drawings: Mapping[str, Sequence[str]]) -> str:
    """The whole page.

    Args:
        report: what it says.
        drawings: the plots of each section as SVG documents, by the name of its table.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"wording": wording, "error": error, "svg_uri": svg_uri, "image_uri": image_uri}
    columns = list(dict.fromkeys(column for section in report.sections for column in section.table.columns))
    return environment.get_template(TEMPLATE_NAME).render(report=report, drawings=drawings, columns=columns)


def error(row: TableRow, column: str) -> str:
    """The standard error of a figure as printed; empty where there is none."""
    value = row.errors.get(column)
    return "" if value is None else f"±{value:.{wording.COLUMNS[column].digits}f}"


def svg_uri(document: str) -> str:
    """An SVG document as the address of an image that lies in the page."""
    return _data_uri("image/svg+xml", document.encode())


def image_uri(path: Path) -> str:
    """A PNG file as the address of an image that lies in the page."""
    return _data_uri("image/png", path.read_bytes())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
