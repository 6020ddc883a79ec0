"""Which plots a report shows: figures as bars, motion as scatters, error over the head's turn, curves over steps.

Numbers and words only; `plots.py` draws them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .figures import MOTIONS
from .frame_set import FrameSet
from .plan import RECONSTRUCTION, Row, table_rows
from .protocols import Protocol
from .result_store import Line
from .tables import Table, columns_of, lines_of
from .wording import COLUMNS, heading

BAR_COLUMNS = ("PSNR", "CSIM", "LPIPS", "NME", "APD", "AED", "gaze", "TL-ID", "TG-ID")
CURVE_COLUMNS = ("PSNR", "SSIM", "CSIM", "LPIPS", "APD", "seconds")
SCATTERED = ("yaw", "jaw", "blink", "gaze yaw")
TURNED_COLUMNS = ("APD", "PSNR")
# Degrees of yaw between source and driving frame.
TURN_BINS = (0, 10, 20, 30, 45, 180)
MIN_IN_BIN = 3


@dataclass(frozen=True)
class Series:
    """Points of one colour.

    Attributes:
        label: in the legend.
        x, y: of the points, finite.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class BarPlot:
    """A bar for each method.

    Attributes:
        title: above the plot.
        labels, values, errors: of each bar; an error is 0 where there is none.
        digits: of the printed values, after the point.
    """

    title: str
    labels: Sequence[str]
    values: Sequence[float]
    errors: Sequence[float]
    digits: int


@dataclass(frozen=True)
class CurvePlot:
    """Curves through marked points.

    Attributes:
        title: above the plot.
        x_title: below the plot.
        series: a curve each.
    """

    title: str
    x_title: str
    series: Sequence[Series]


@dataclass(frozen=True)
class ScatterPlot:
    """Points beside the diagonal on which x and y are equal.

    Attributes:
        title: above the plot.
        x_title: below the plot.
        series: a colour each.
    """

    title: str
    x_title: str
    series: Sequence[Series]


Plot = BarPlot | CurvePlot | ScatterPlot


def plots_of(
    frames: FrameSet,
    protocol: Protocol,
    table: Table,
    models: Sequence[str],
    results: Mapping[tuple[str, str], Line],
) -> list[Plot]:
    """The plots of a protocol."""
    if protocol.is_ablation:
        return _step_curves(protocol, table, models)
    drawn = [_bars(table, column) for column in BAR_COLUMNS if column in table.columns]
    if protocol.name == "self":
        lines = {row: lines_of(frames, protocol, row, results) for row in table_rows(protocol, models)}
        drawn += [plot for column in TURNED_COLUMNS if (plot := _over_turn(frames, lines, column))]
        drawn += [plot for motion in SCATTERED if (plot := _motion_scatter(lines, models, motion))]
    return drawn


def _bars(table: Table, column: str) -> BarPlot:
    rows = [row for row in table.rows if column in row.values]
    errors = [row.errors.get(column, 0.0) for row in rows]
    values = [row.values[column] for row in rows]
    return BarPlot(heading(column), [row.label for row in rows], values, errors, COLUMNS[column].digits)


def _step_curves(protocol: Protocol, table: Table, models: Sequence[str]) -> list[Plot]:
    """A curve for each model over the number of steps; random x_T stands at 0."""
    number = "inference" if protocol.name == "steps" else "inversion"
    steps = {row.label: getattr(row.steps, number) for row in table_rows(protocol, models) if row.steps}
    x_title = "T" if protocol.name == "steps" else "T_xT (0: random x_T)"
    drawn = []
    for column in CURVE_COLUMNS:
        series = []
        for model in models:
            rows = [row for row in table.rows if row.method == model]
            points = [(steps[row.label], row.values[column]) for row in rows if column in row.values]
            if points:
                series.append(Series(model, *zip(*sorted(points), strict=True)))
        if series:
            drawn.append(CurvePlot(heading(column), x_title, series))
    return drawn


def _over_turn(frames: FrameSet, lines: Mapping[Row, Sequence[Line]], column: str) -> CurvePlot | None:
    """Mean of a figure over the yaw between source and driving frame."""
    series = []
    for row, found in lines.items():
        turns = np.array([_turn(frames, line["source"], key) for line in found for key in line["driving"]])
        values = np.array([value for line in found for value in line["values"].get(column, [])], dtype=float)
        points = [
            (float(turns[chosen].mean()), float(values[chosen].mean()))
            for low, high in pairwise(TURN_BINS)
            if (chosen := (turns >= low) & (turns < high) & np.isfinite(values)).sum() >= MIN_IN_BIN
        ]
        if points:
            series.append(Series(row.label, *zip(*points, strict=True)))
    title = f"{heading(column)} over the turn between source and driver"
    return CurvePlot(title, "difference of yaw, degrees", series) if series else None


def _turn(frames: FrameSet, source: str, driving: str) -> float:
    yaw = frames.head_pose[[frames.rows[source], frames.rows[driving]], 0]
    return abs(float(yaw[0] - yaw[1]))


def _motion_scatter(lines: Mapping[Row, Sequence[Line]], models: Sequence[str], motion: str) -> ScatterPlot | None:
    """Result over target, as the face reader sees both, a dot per frame."""
    index, series = MOTIONS.index(motion), []
    # Angles of the head come in degrees, those of the eyes in radians.
    factor = math.degrees(1.0) if motion.startswith("gaze") else 1.0
    for row, found in lines.items():
        if row.method in models and RECONSTRUCTION not in row.method:
            seen, wanted = (columns_of(found, name)[:, index] * factor for name in ("motion", "wanted"))
            finite = seen.isfinite() & wanted.isfinite()
            if finite.any():
                series.append(Series(row.label, wanted[finite].tolist(), seen[finite].tolist()))
    unit = "" if motion in ("jaw", "blink") else ", degrees"
    return ScatterPlot(f"{motion}: result over target{unit}", "target", series) if series else None
