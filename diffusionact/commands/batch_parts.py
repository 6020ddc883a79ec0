"""Long clips of `diffusionact batch` in parts: more tasks than rows, and one outcome for each row."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from .. import scale
from . import reenact_parts
from .batch_rows import MADE, Parse, Row, RowWorker
from .reenact_parts import FrameRange

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """Some frames of a row.

    Attributes:
        row: whose source and poses are prepared.
        frames: the first, and the first that is not among them.
    """

    row: Row
    frames: FrameRange


@dataclass(frozen=True)
class Join:
    """The end of a row: its output from its parts, all of which are there."""

    row: Row
    parts: tuple[FrameRange, ...]


class PartWorker(RowWorker):
    """Renders rows; of those with long clips it prepares, renders and joins parts.

    Args:
        folder, parse, again: see `RowWorker`.
        part_frames: frames of a part; clips with more are long.
    """

    def __init__(self, folder: str, parse: Parse, again: bool, part_frames: int):
        super().__init__(folder, parse, again)
        self._part_frames = part_frames

    def __call__(self, task: Row | Part | Join) -> str | tuple[FrameRange, ...]:
        """Do a task; returns what became of the row, or the parts that are to be made of it."""
        if isinstance(task, Row):
            return self._parts_of(task) or super().__call__(task)
        with self._job(task.row) as (job, _):
            if isinstance(task, Part):
                reenact_parts.render(job, task.frames)
            else:
                reenact_parts.join(job, task.parts)
        return MADE

    def _parts_of(self, row: Row) -> tuple[FrameRange, ...]:
        """Nothing where the row is there already, or should be made in one piece."""
        if self._is_there(row):
            return ()
        with self._job(row) as (job, to_publish):
            if to_publish or not reenact_parts.is_divisible(job):
                return ()
            if self._again:
                reenact_parts.discard(job.output)
            return tuple(reenact_parts.prepare(job, self._part_frames))


def one_per_row(outcomes: Iterable[scale.Outcome], tasks: list[Row | Part | Join]) -> Iterator[scale.Outcome]:
    """Yield what became of each row, as its last task is settled.

    Args:
        outcomes: of the tasks, in any order.
        tasks: the rows; parts and joins are appended. A join comes when all parts of its row are there.
    """
    owners = {row.number: index for index, row in enumerate(tasks)}
    missing: dict[int, set[FrameRange]] = {}
    parts: dict[int, tuple[FrameRange, ...]] = {}
    seconds: dict[int, float] = {}
    failed: set[int] = set()
    for outcome in outcomes:
        task, last = tasks[outcome.index], outcome.last
        row = owners[task.number if isinstance(task, Row) else task.row.number]
        seconds[row] = seconds.get(row, 0.0) + last.seconds
        if isinstance(task, Row) and isinstance(last.result, tuple):
            parts[row], missing[row] = last.result, set(last.result)
            logger.info("Row %d is rendered in %d parts", task.number, len(last.result))
            tasks += [Part(task, frames) for frames in last.result]
        elif isinstance(task, Part) and not last.error:
            missing[row].discard(task.frames)
            if not missing[row]:
                tasks.append(Join(task.row, parts[row]))
        elif row not in failed:  # of several parts that fail, the first one speaks for the row
            failed.update({row} if last.error else ())
            yield replace(outcome, index=row, last=replace(last, seconds=seconds[row]))
