"""The words of a report: what each protocol and column is, and how its figures are printed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..metrics import METRICS
from .figures import MOTIONS
from .plan import COPIED_DRIVER, RECONSTRUCTION
from .tables import PAPER, Table, TableRow
from .turns import TURNED, TURNS

TITLES = {
    "self": "Self reenactment",
    "cross": "Cross-subject reenactment",
    "large_pose": "Large head turns",
    "steps": "Decoding steps T",
    "inversion_steps": "Inversion steps T_xT",
    "temporal": "Steadiness over time",
    "ablation": "Models side by side",
    "truth": "Self reenactment against the renderer's truth",
}
ABOUT = {
    "self": "The first frame of each video, of photos the frame nearest to the front, is the source; the others drive "
    "it and are the truth.",
    "cross": "Source and driver are different people, in a fixed random list. CSIM is against the source, APD, AED and "
    "gaze against the driver. There is no truth: the copied source keeps the identity and no pose, the copied driver "
    "the pose and no identity.",
    "large_pose": "Pairs of frames of one video whose yaw differs by more than 30 degrees.",
    "steps": "Self reenactment from T_xT = 50 inversion steps.",
    "inversion_steps": "Self reenactment with T = 20 decoding steps. Random x_T is noise N(0, I).",
    "temporal": "Self reenactment of neighbouring frames; 1 is as steady as the real clip. A still image scores more "
    "than 1.",
    "ablation": "The same results as in self reenactment, with the columns of the paper's ablation.",
    "truth": "Pearson's r between what the face reader sees in the result and what the renderer drew. The last row is "
    "what the face reader reaches on the true frames: no result can be expected above it.",
}
TITLES |= {f"{name}_{turn.name}": f"{TITLES[name]}, {turn.words}" for name in TURNED for turn in TURNS}
ABOUT |= {
    f"{name}_{turn.name}": "The turn is the angle between the heads of source and driver. Each figure is over the "
    "frames for which all methods have it."
    for name in TURNED
    for turn in TURNS
}
PAPER_NOTE = "The row of the paper is on VoxCeleb1, measured with other networks: not comparable."


@dataclass(frozen=True)
class Column:
    """How a figure is printed.

    Attributes:
        digits: after the point.
        higher_is_better: the direction.
        meaning: one line.
    """

    digits: int
    higher_is_better: bool
    meaning: str


MEANINGS = {
    "PSNR": "peak signal-to-noise ratio, dB, against the true frame",
    "SSIM": "structural similarity to the true frame, up to 1",
    "CSIM": "likeness of identity embeddings (cosine; with the judge of photos 1 - Euclidean distance): with the true "
    "frame, or with the source of another person; up to 1",
    "LPIPS": "distance of deep features (AlexNet) to the true frame",
    "L1": "mean absolute difference from the true frame, of values from -1 to 1",
    "NME": "distance of the landmarks from those of the true frame, thousandths of the face's size",
    "APD": "mean difference of yaw, pitch and roll from the driver's, degrees",
    "AED": "sum of the differences of 52 expression values from the driver's",
    "TL-ID": "likeness of neighbouring frames to each other, over that of the real clip",
    "TG-ID": "likeness of all frames of a clip to each other, over that of the real clip",
}
DIGITS = {"PSNR": 2, "NME": 1, "APD": 2, "AED": 2}
COLUMNS = {
    name: Column(DIGITS.get(name, 3), metric.higher_is_better, MEANINGS[name]) for name, metric in METRICS.items()
}
COLUMNS |= {
    "gaze": Column(1, False, "angle between the directions of gaze, degrees, as the face reader sees them"),
    "seconds": Column(2, False, "seconds per frame on this machine, inversion included"),
}
COLUMNS |= {
    "PSNR equal": Column(2, True, "PSNR of all methods blurred to 0.6 of the true frame's sharpness, dB"),
    "PSNR face": Column(2, True, "PSNR between jaw and brows, dB"),
    "PSNR background": Column(
        2, True, "PSNR where the segmenter sees no person in the truth, from 2 % of the image on, dB"
    ),
    "features": Column(
        3, False, "distance of the identity network's features to the true frame's: as LPIPS, not LPIPS"
    ),
    "sharpness": Column(2, True, "fine detail of the face over the true frame's, or the source's; 1 is as sharp"),
    "flicker": Column(2, False, "second difference over time, over that of the real clip; 1 is as steady"),
}
COLUMNS |= {f"{motion} r": Column(2, True, f"Pearson's r of {motion} with the driver's") for motion in MOTIONS}


def heading(column: str) -> str:
    """The column's name with an arrow in the better direction."""
    return f"{column} {'↑' if COLUMNS[column].higher_is_better else '↓'}"


def column_groups(table: Table) -> list[tuple[str, ...]]:
    """The columns in two parts, so that a table stays on the page: figures, then correlations."""
    groups = [tuple(name for name in table.columns if name.endswith(" r") == is_r) for is_r in (False, True)]
    return [group for group in groups if group]


def paper_rows(table: Table, columns: Sequence[str]) -> list[TableRow]:
    """The paper's rows that have something to say in some columns."""
    return [row for row in table.paper if any(column in row.values for column in columns)]


def paper_label(table: Table, row: TableRow) -> str:
    """Marks a row as the paper's own."""
    return f"paper: {row.label} (table {table.paper_table})"


def figure(row: TableRow, column: str) -> str:
    """A figure as printed; the paper's have the digits that it gives."""
    value = row.values.get(column)
    if value is None:
        return "–"
    return f"{value:g}" if row.method == PAPER else f"{value:.{COLUMNS[column].digits}f}"


def best_rows(table: Table, column: str) -> set[int]:
    """Indices of the rows that are printed as the best: bounds, the truth and the paper do not compete."""
    rows = {
        index: row.values[column]
        for index, row in enumerate(table.rows)
        if column in row.values and row.method not in (COPIED_DRIVER, "target") and RECONSTRUCTION not in row.method
    }
    if len(rows) < 2:
        return set()
    best = (max if COLUMNS[column].higher_is_better else min)(rows.values())
    return {index for index, value in rows.items() if math.isclose(value, best, rel_tol=1e-9)}


def lost(row: TableRow) -> str:
    """How many frames could not be measured; empty where none."""
    words = []
    if row.without_face:
        words.append(f"{row.without_face} results without a face")
    if row.without_identity:
        words.append(f"{row.without_identity} without CSIM, as the face reader is unsure")
    if row.without_driver:
        words.append(f"{row.without_driver} driving frames left out")
    return ", ".join(words)
