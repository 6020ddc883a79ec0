"""What a report says, whichever page prints it."""

from __future__ import annotations

from dataclasses import dataclass

from .image_rows import ImageGrid
from .plot_data import Plot
from .tables import Table


@dataclass(frozen=True)
class Section:
    """A table with its plots and images.

    Attributes:
        table: the figures.
        plots: what is drawn of them.
        grid: None where the table has no images of its own.
    """

    table: Table
    plots: tuple[Plot, ...]
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
