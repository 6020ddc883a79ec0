"""What is measured: the rows of each protocol's table, and the name under which each result is kept.

Two protocols that ask for the same images share the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .frame_set import FrameSet
from .protocols import Pair, Protocol, Steps, pair_key, steps_key

COPIED_SOURCE = "copied source"
WARPED_SOURCE = "warped source"
COPIED_DRIVER = "copied driver"
BASELINES = (COPIED_SOURCE, WARPED_SOURCE, COPIED_DRIVER)
RECONSTRUCTION = ": reconstruction"
# Where the driving frames are the truth and single images count, a model is asked for the truth itself as well.
RECONSTRUCTED = ("self", "large_pose")


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        label: as printed.
        method: a baseline, a model's name, or a model's name with `RECONSTRUCTION`.
        steps: None for baselines.
    """

    label: str
    method: str
    steps: Steps | None


@dataclass(frozen=True)
class Task:
    """One result to make.

    Attributes:
        key: names it among those of the method.
        pair: what is re-enacted.
        steps: None for baselines.
    """

    key: str
    pair: Pair
    steps: Steps | None


def table_rows(protocol: Protocol, models: Sequence[str]) -> list[Row]:
    """The rows of a protocol's table: baselines, models, and the models' upper bounds."""
    baselines = BASELINES if protocol.name == "cross" else (COPIED_SOURCE, WARPED_SOURCE)
    rows = [Row(name, name, None) for name in baselines]
    if protocol.is_ablation:
        return rows + [
            Row(f"{model}, {label}" if len(models) > 1 else label, model, steps)
            for model in models
            for label, steps in protocol.steps.items()
        ]
    steps = protocol.steps[""]
    rows += [Row(model, model, steps) for model in models]
    if protocol.name in RECONSTRUCTED:
        rows += [Row(f"{model}, target reconstructed", model + RECONSTRUCTION, steps) for model in models]
    return rows


def task_of(frames: FrameSet, row: Row, pair: Pair) -> Task:
    """The result that a row needs for a pair."""
    key = pair_key(frames, pair)
    return Task(key if row.steps is None else f"{key}-{steps_key(row.steps)}", pair, row.steps)


def all_tasks(frames: FrameSet, protocols: Sequence[Protocol], models: Sequence[str]) -> dict[str, list[Task]]:
    """Every result that the tables need, once, by method; the order is the same in every process."""
    tasks: dict[str, dict[str, Task]] = {}
    for protocol in protocols:
        for row in table_rows(protocol, models):
            for pair in protocol.pairs:
                task = task_of(frames, row, pair)
                tasks.setdefault(row.method, {})[task.key] = task
    return {method: list(found.values()) for method, found in tasks.items()}
