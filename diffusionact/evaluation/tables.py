"""The tables of a report, from the results of single pairs.

A figure is the mean over all frames (of clips, for TL-ID and TG-ID); its standard error is over videos, whose frames
are alike. Correlations are over all frames at once. Frames without a face are left out of what needs one, and counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from .figures import MOTIONS, pearson, true_motion
from .frame_set import FrameSet
from .plan import Row, table_rows, task_of
from .protocols import Protocol
from .result_store import Line
from .turns import TURNED, TURNS, lines_in_turn, unsure_frames

PAPER_FILE = Path(__file__).with_name("paper_tables.json")
# Those of photos among them; without photos they have no values and are left out.
PSNR_COLUMNS = ("PSNR", "PSNR equal", "PSNR face", "PSNR background")
IMAGE_COLUMNS = (*PSNR_COLUMNS, "SSIM", "features", "CSIM", "LPIPS", "L1", "NME", "APD", "AED")
CORRELATIONS = tuple(f"{motion} r" for motion in MOTIONS)
COLUMNS = {
    "self": (*IMAGE_COLUMNS, "gaze", "sharpness", *CORRELATIONS),
    "large_pose": (*IMAGE_COLUMNS, "gaze", "sharpness"),
    "cross": ("CSIM", "APD", "AED", "gaze", "sharpness", *CORRELATIONS),
    "steps": ("PSNR", "SSIM", "CSIM", "LPIPS", "APD", "AED", "seconds"),
    "inversion_steps": ("PSNR", "SSIM", "CSIM", "LPIPS", "APD", "AED", "seconds"),
    "temporal": ("flicker", "TL-ID", "TG-ID", "seconds"),
    "ablation": ("CSIM", "PSNR", "SSIM", "APD", "AED"),
    "truth": CORRELATIONS,
}
COLUMNS |= {f"{name}_{turn.name}": COLUMNS[name] for name in TURNED for turn in TURNS}
CLIP_COLUMNS = ("TL-ID", "TG-ID", "flicker")


@dataclass(frozen=True)
class TableRow:
    """A row of figures.

    Attributes:
        label: as printed.
        method: see `plan.Row`; "paper" for the paper's own.
        values: column -> mean; columns without a value are absent.
        errors: column -> standard error over videos.
        frames: measured.
        without_face: how many of them show no face in the result.
        without_identity: how many show one, but the face reader is too unsure of it, or of the truth's, for CSIM.
        without_driver: driving frames that were left out because they, or the source, show no face.
    """

    label: str
    method: str
    values: dict[str, float]
    errors: dict[str, float] = field(default_factory=dict)
    frames: int = 0
    without_face: int = 0
    without_identity: int = 0
    without_driver: int = 0


@dataclass(frozen=True)
class Table:
    """A protocol's figures.

    Attributes:
        name: the protocol, with "_small", "_medium" or "_large" for the frames of a turn; "ablation" (several models
            side by side) or "truth" (correlations with a renderer's facts).
        columns: those that some row of ours has a value for.
        rows: ours.
        paper: the paper's own, not comparable.
        paper_table: number of the table in the paper; empty where there is none.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    paper: tuple[TableRow, ...]
    paper_table: str


PAPER = "paper"


def make_tables(
    frames: FrameSet,
    protocols: Sequence[Protocol],
    models: Sequence[str],
    results: Mapping[tuple[str, str], Line],
) -> list[Table]:
    """All tables of a report, in the order of the protocols."""
    tables = []
    for protocol in protocols:
        lines = {row: lines_of(frames, protocol, row, results) for row in table_rows(protocol, models)}
        lines = {row: found for row, found in lines.items() if found}  # an engine may be unable to make some
        rows = [summary(row, found) for row, found in lines.items()]
        tables.append(_table(protocol.name, rows))
        if frames.has_photos and protocol.name in TURNED:
            tables += _tables_by_turn(frames, protocol.name, lines)
        if protocol.name == "self":
            if len(models) > 1:
                tables.append(_table("ablation", [row for row in rows if row.method in models]))
            if frames.is_rendered:
                tables.append(_table("truth", _truth_rows(frames, lines)))
    return tables


def lines_of(frames: FrameSet, protocol: Protocol, row: Row, results: Mapping[tuple[str, str], Line]) -> list[Line]:
    """The results of a row, in the order of the pairs; those not there yet are left out."""
    keys = (task_of(frames, row, pair).key for pair in protocol.pairs)
    return [results[row.method, key] for key in keys if (row.method, key) in results]


def summary(row: Row, lines: Sequence[Line]) -> TableRow:
    """Means, standard errors and correlations of a row."""
    values, errors = {}, {}
    for name in dict.fromkeys(name for line in lines for name in line["values"]):
        clips = [np.array(line["values"][name], dtype=float) for line in lines if name in line["values"]]
        values[name], errors[name] = mean_and_error(clips)
    for name in CLIP_COLUMNS:
        clips = [np.array([line["clip_values"][name]], dtype=float) for line in lines if name in line["clip_values"]]
        values[name], errors[name] = mean_and_error(clips)
    frames = sum(len(line["found"]) for line in lines)
    if row.steps is not None and frames:
        values["seconds"] = sum(line["seconds"] for line in lines) / frames
    seen, wanted = (columns_of(lines, name) for name in ("motion", "wanted"))
    values |= correlations(seen, wanted)
    return TableRow(
        label=row.label,
        method=row.method,
        values={name: value for name, value in values.items() if np.isfinite(value)},
        errors={name: value for name, value in errors.items() if np.isfinite(value)},
        frames=frames,
        without_face=sum(not found for line in lines for found in line["found"]),
        without_identity=sum(line.get("unsure", unsure_frames(line)) for line in lines),
        without_driver=sum(len(line["without_driver"]) for line in lines),
    )


def mean_and_error(clips: Sequence[np.ndarray]) -> tuple[float, float]:
    """Mean over all finite values, and its standard error from the means of the clips; NaN where there are too few."""
    finite = [clip[np.isfinite(clip)] for clip in clips]
    means = np.array([clip.mean() for clip in finite if len(clip)])
    if not len(means):
        return float("nan"), float("nan")
    error = means.std(ddof=1) / len(means) ** 0.5 if len(means) > 1 else float("nan")
    return float(np.concatenate(finite).mean()), float(error)


def columns_of(lines: Sequence[Line], name: str) -> torch.Tensor:
    """ "motion" or "wanted" of all frames of some results: (F, 6), NaN where no face was seen."""
    rows = [row for line in lines for row in line[name]]
    return torch.from_numpy(np.array(rows, dtype=float).reshape(len(rows), len(MOTIONS)))


def correlations(seen: torch.Tensor, wanted: torch.Tensor) -> dict[str, float]:
    """Pearson's r of each motion."""
    return {name: pearson(seen[:, index], wanted[:, index]) for index, name in enumerate(CORRELATIONS)}


def _tables_by_turn(frames: FrameSet, protocol: str, lines: Mapping[Row, Sequence[Line]]) -> list[Table]:
    """A protocol's table for each range of turns that some frame lies in."""
    tables = []
    for turn in TURNS:
        rows = [summary(row, found) for row, found in lines_in_turn(frames, lines, turn).items() if found]
        if rows:
            tables.append(_table(f"{protocol}_{turn.name}", rows))
    return tables


def _truth_rows(frames: FrameSet, lines: Mapping[Row, Sequence[Line]]) -> list[TableRow]:
    """Correlations with the renderer's facts; the last row is what the face reader reaches on the true frames."""
    rows, ceiling = [], None
    for row, found in lines.items():
        truth = true_motion(frames, [frames.rows[key] for line in found for key in line["driving"]])
        rows.append(_correlated(row.label, row.method, columns_of(found, "motion"), truth))
        ceiling = _correlated("the target itself", "target", columns_of(found, "wanted"), truth)
    return rows + ([ceiling] if ceiling else [])


def _correlated(label: str, method: str, seen: torch.Tensor, truth: torch.Tensor) -> TableRow:
    values = {name: value for name, value in correlations(seen, truth).items() if np.isfinite(value)}
    return TableRow(label, method, values, frames=len(seen), without_face=int(seen[:, 0].isnan().sum()))


def _table(name: str, rows: Sequence[TableRow]) -> Table:
    paper = [row for row in json.loads(PAPER_FILE.read_text(encoding="utf-8"))["rows"] if row["protocol"] == name]
    columns = tuple(column for column in COLUMNS[name] if any(column in row.values for row in rows))
    printed = tuple(TableRow(row["label"], PAPER, row["values"]) for row in paper)
    return Table(name, columns, tuple(rows), printed, paper[0]["table"] if paper else "")
