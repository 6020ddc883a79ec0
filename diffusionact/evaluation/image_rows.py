"""The image grids of a report: the first pairs of each protocol's list, so that nobody chose the good ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..images import model_to_uint8, save_png
from .frame_set import FrameSet
from .plan import COPIED_DRIVER, COPIED_SOURCE, table_rows, task_of
from .protocols import Protocol
from .result_store import Line
from .runner import EXAMPLES, example_path, example_position, image_path
from .tables import lines_of


@dataclass(frozen=True)
class ImageGrid:
    """Images in rows.

    Attributes:
        columns: what each column shows.
        rows: a file for each column, None where there is no image.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Path | None, ...], ...]


def image_grid(
    folder: Path,
    frames: FrameSet,
    protocol: Protocol,
    models: Sequence[str],
    results: dict[tuple[str, str], Line],
) -> ImageGrid:
    """Source, driver, and what every method made of them; writes the true frames beside the results."""
    rows = [
        row
        for row in table_rows(protocol, models)
        if row.method not in (COPIED_SOURCE, COPIED_DRIVER) and lines_of(frames, protocol, row, results)
    ]
    grid = []
    for pair in protocol.pairs[:EXAMPLES]:
        tasks = [task_of(frames, row, pair) for row in rows]
        lines = [results.get((row.method, task.key)) for row, task in zip(rows, tasks, strict=True)]
        used = next((line["driving"] for line in lines if line and line["driving"]), None)
        if used is None:
            continue
        shown = frames.rows[used[example_position(len(used))]]
        made = [example_path(folder, row.method, task) for row, task in zip(rows, tasks, strict=True)]
        true = [_true_frame(folder, frames, row) for row in (pair.source, shown)]
        grid.append((*true, *(path if path.exists() else None for path in made)))
    return ImageGrid(("source", "driver", *(row.label for row in rows)), tuple(grid))


def _true_frame(folder: Path, frames: FrameSet, row: int) -> Path:
    path = image_path(folder, f"frame-{frames.keys[row]}")
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        save_png(path, model_to_uint8(frames.images([row]))[0], provenance=False)
    return path
