"""Results sorted by how far the driver's head is turned from the source's: methods are compared at equal turns.

A turn moves every figure, that of identity too, so means over frames of different turns would compare the frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..face.geometry.rotations import head_pose_to_matrix
from .frame_set import FrameSet
from .plan import COPIED_DRIVER, Row
from .result_store import Line

# Values of a line with an entry per frame.
PER_FRAME = ("driving", "motion", "wanted", "found")
# Protocols whose results are sorted.
TURNED = ("self", "cross")


@dataclass(frozen=True)
class Turn:
    """A range of turns.

    Attributes:
        name: of its tables, behind that of the protocol.
        words: for people.
        minimum, maximum: degrees; the maximum does not belong to it.
    """

    name: str
    words: str
    minimum: float
    maximum: float


TURNS = (
    Turn("small", "head turned by less than 10 degrees", 0.0, 10.0),
    Turn("medium", "head turned by 10 to 25 degrees", 10.0, 25.0),
    Turn("large", "head turned by more than 25 degrees", 25.0, 360.0),
)


def lines_in_turn(frames: FrameSet, lines: Mapping[Row, Sequence[Line]], turn: Turn) -> dict[Row, list[Line]]:
    """The same results, cut down to the frames of a turn; a figure of a frame stays where all methods have it.

    The copied driver does not compete, and need not have it.

    Args:
        frames: the true frames.
        lines: results of each row of a table, of the same pairs.
        turn: which frames are kept.
    """
    competing = {row: found for row, found in lines.items() if row.method != COPIED_DRIVER}
    shared = shared_figures([found for found in competing.values()])
    kept = {}
    for row, found in lines.items():
        cut = [_cut(line, _in_turn(frames, line, turn), shared if row in competing else None) for line in found]
        kept[row] = [line for line in cut if line["found"]]
    return kept


def shared_figures(methods: Sequence[Sequence[Line]]) -> dict[tuple[str, str, str], bool]:
    """(source, driving frame, column) -> whether every method has that figure."""
    shared: dict[tuple[str, str, str], bool] = {}
    for lines in methods:
        for line in lines:
            for column, values in line["values"].items():
                for key, value in zip(line["driving"], values, strict=True):
                    entry = (line["source"], key, column)
                    shared[entry] = shared.get(entry, True) and value is not None
    return shared


def unsure_frames(line: Line, positions: Sequence[int] | None = None) -> int:
    """In how many frames of a result, or of some positions in it, there is a face, but not sure enough for CSIM."""
    likeness = line["values"].get("CSIM", line["found"])
    chosen = range(len(line["found"])) if positions is None else positions
    return sum(line["found"][position] and likeness[position] is None for position in chosen)


def turn_deg(first: Tensor, second: Tensor) -> Tensor:
    """Angle (B,) in degrees between head poses (B, 3) yaw, pitch, roll in degrees."""
    between = head_pose_to_matrix(first.double()) @ head_pose_to_matrix(second.double()).transpose(-1, -2)
    cosine = (between.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    return torch.rad2deg(torch.arccos(cosine.clamp(-1, 1))).float()


def _in_turn(frames: FrameSet, line: Line, turn: Turn) -> list[int]:
    """Positions of the driving frames whose turn lies in the range."""
    rows = [frames.rows[key] for key in line["driving"]]
    source = frames.head_pose[[frames.rows[line["source"]]] * len(rows)]
    degrees = turn_deg(source, frames.head_pose[rows]).tolist()
    return [position for position, angle in enumerate(degrees) if turn.minimum <= angle < turn.maximum]


def _cut(line: Line, positions: Sequence[int], shared: Mapping[tuple[str, str, str], bool] | None) -> Line:
    """Some frames of a result; None in place of figures that not all methods have. Figures of clips have no turn."""

    def value(column: str, position: int) -> float | None:
        entry = (line["source"], line["driving"][position], column)
        return line["values"][column][position] if shared is None or shared[entry] else None

    values = {column: [value(column, position) for position in positions] for column in line["values"]}
    rows = {name: [line[name][position] for position in positions] for name in PER_FRAME}
    seconds = line["seconds"] * len(positions) / max(len(line["driving"]), 1)
    changes = {"values": values, "clip_values": {}, "without_driver": [], "seconds": seconds}
    # Counted here: a figure that another method lacks is no unsure face of this one.
    return {**line, **rows, **changes, "unsure": unsure_frames(line, positions)}
