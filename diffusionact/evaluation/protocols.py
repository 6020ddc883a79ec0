"""The paper's protocols as fixed lists of cases: which source is driven by which frames, with how many steps.

A list depends on the frame set and the seed only; `pairs.json` of a report holds it, and `read_pairs` takes it, or an
official list in its form, back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .frame_set import FrameSet, Video

PROTOCOLS = ("self", "cross", "large_pose", "steps", "inversion_steps", "temporal")
# What a list of pairs may hold; the other protocols take the pairs of "self".
LISTED = ("self", "cross", "large_pose", "temporal")
# Between source and driving frame; farther than the 15 degrees of the benchmark in the paper's Table 6.
LARGE_YAW_DEG = 30.0
# What the paper holds fixed in Tables 4 and 5.
ABLATION_INFERENCE_STEPS = 20
ABLATION_INVERSION_STEPS = 50
# In place of a number of inversion steps: x_T is noise.
RANDOM = 0


@dataclass(frozen=True)
class Pair:
    """A source and what drives it.

    Attributes:
        source: row of the frame set.
        driving: rows of the frame set, in order.
        is_same_person: the driving frames are the truth as well.
    """

    source: int
    driving: tuple[int, ...]
    is_same_person: bool


@dataclass(frozen=True)
class Steps:
    """DDIM steps of a case.

    Attributes:
        inference: from x_T to the image; None takes the model's own number.
        inversion: from the source to x_T; None takes the model's own number, `RANDOM` noise N(0, I) for x_T.
    """

    inference: int | None
    inversion: int | None


@dataclass(frozen=True)
class Protocol:
    """One table of the report.

    Attributes:
        name: one of `PROTOCOLS`.
        pairs: what is re-enacted.
        steps: label -> steps; one entry where steps are not the question.
    """

    name: str
    pairs: tuple[Pair, ...]
    steps: dict[str, Steps]

    @property
    def is_ablation(self) -> bool:
        """Whether the rows of the table are numbers of steps."""
        return len(self.steps) > 1 or self.name in ("steps", "inversion_steps")


@dataclass(frozen=True)
class ProtocolOptions:
    """What a user may choose.

    Attributes:
        steps: of all protocols but the ablations.
        inference_values: rows of Table 4.
        inversion_values: rows of Table 5, beside random x_T.
        cross_pairs: number of random pairs; the paper has 35.
        seed: of the random pairs.
        listed: pairs by protocol, instead of those made here.
    """

    steps: Steps
    inference_values: tuple[int, ...] = (5, 10, 20, 50, 100)
    inversion_values: tuple[int, ...] = (5, 10, 20, 50, 100)
    cross_pairs: int = 35
    seed: int = 0
    listed: dict[str, tuple[Pair, ...]] | None = None


def make_protocol(name: str, frames: FrameSet, options: ProtocolOptions) -> Protocol:
    """The cases of a protocol.

    Raises:
        ValueError: if the frame set has none.
    """
    pairs = (options.listed or {}).get(pair_list(name)) or PAIR_MAKERS[pair_list(name)](frames, options)
    if not pairs:
        raise ValueError(
            f"Expected pairs for the protocol {name!r}, received a data set without any (people: "
            f"{len(set(frames.identity))}, videos: {len(frames.videos)}). Leave it out or take other data."
        )
    if name == "steps":
        values = {f"T = {value}": Steps(value, ABLATION_INVERSION_STEPS) for value in options.inference_values}
        return Protocol(name, pairs, values)
    if name == "inversion_steps":
        values = {"random x_T": Steps(ABLATION_INFERENCE_STEPS, RANDOM)}
        values |= {f"T_xT = {value}": Steps(ABLATION_INFERENCE_STEPS, value) for value in options.inversion_values}
        return Protocol(name, pairs, values)
    return Protocol(name, pairs, {"": options.steps})


def pair_list(name: str) -> str:
    """The list that a protocol takes its pairs from."""
    return name if name in LISTED else "self"


def self_pairs(frames: FrameSet, options: ProtocolOptions) -> tuple[Pair, ...]:
    """The source of each video, its first frame or of photos that nearest to the front, drives nothing; all others
    drive it (section 4.2).
    """
    return tuple(Pair(video.source, _others(video.spaced, video.source), True) for video in frames.videos)


def temporal_pairs(frames: FrameSet, options: ProtocolOptions) -> tuple[Pair, ...]:
    """As `self_pairs`, with neighbouring frames; clips of two frames or more."""
    clips = [Pair(video.source, _others(video.leading, video.source), True) for video in frames.videos]
    return tuple(clip for clip in clips if len(clip.driving) > 1)


def cross_pairs(frames: FrameSet, options: ProtocolOptions) -> tuple[Pair, ...]:
    """Random pairs of videos of different people: the source of one, driven by the frames of the other."""
    randomness = np.random.default_rng(options.seed)
    order = randomness.permutation(len(frames.videos))
    # Neighbours of a shuffled ring, with growing distance where more pairs are asked for than there are videos.
    pairs = []
    for shift in range(1, len(order)):
        for source, driving in zip(order, np.roll(order, -shift), strict=True):
            first, second = frames.videos[source], frames.videos[driving]
            if first.identity != second.identity:
                pairs.append(Pair(first.source, second.spaced, False))
            if len(pairs) == options.cross_pairs:
                return tuple(pairs)
    return tuple(pairs)


def large_pose_pairs(frames: FrameSet, options: ProtocolOptions) -> tuple[Pair, ...]:
    """Of each video the two frames whose yaw differs most, if by more than 30 degrees; the one nearer the front is
    the source.
    """
    pairs = (_widest_pair(frames, video) for video in frames.videos)
    return tuple(pair for pair in pairs if pair is not None)


def _others(rows: Sequence[int], row: int) -> tuple[int, ...]:
    return tuple(other for other in rows if other != row)


def _widest_pair(frames: FrameSet, video: Video) -> Pair | None:
    yaw = frames.head_pose[list(video.spaced), 0]
    ends = (video.spaced[int(yaw.argmin())], video.spaced[int(yaw.argmax())])
    if float(yaw.max() - yaw.min()) <= LARGE_YAW_DEG:
        return None
    source, driving = sorted(ends, key=lambda row: abs(float(frames.head_pose[row, 0])))
    return Pair(source, (driving,), True)


PAIR_MAKERS = {"self": self_pairs, "temporal": temporal_pairs, "cross": cross_pairs, "large_pose": large_pose_pairs}


def pair_key(frames: FrameSet, pair: Pair) -> str:
    """A short name of a pair that does not depend on which other frames were read."""
    words = json.dumps([frames.keys[pair.source], [frames.keys[row] for row in pair.driving]])
    return f"{frames.keys[pair.source]}-{hashlib.sha256(words.encode()).hexdigest()[:10]}"


def steps_key(steps: Steps) -> str:
    """Such as T20-X50; X0 is random x_T, Tmodel the model's own number."""
    inference, inversion = ("model" if number is None else number for number in (steps.inference, steps.inversion))
    return f"T{inference}-X{inversion}"


def write_pairs(frames: FrameSet, protocols: Sequence[Protocol]) -> str:
    """The lists as JSON, in the form that `read_pairs` takes."""
    lists = {
        pair_list(protocol.name): [
            {"source": frames.keys[pair.source], "driving": [frames.keys[row] for row in pair.driving]}
            for pair in protocol.pairs
        ]
        for protocol in protocols
    }
    return json.dumps(lists, indent=1) + "\n"


def read_pairs(path: Path, frames: FrameSet) -> dict[str, tuple[Pair, ...]]:
    """A list of pairs: {"cross": [{"source": NAME, "driving": [NAME, ...]}, ...], ...}.

    A name is that of a frame, or of a video: as a source its first frame, as a driver all its frames.

    Raises:
        ValueError: if the file has another form, or names a frame or video that is not in the data.
    """
    try:
        lists = json.loads(path.read_text(encoding="utf-8"))
        listed = {
            name: tuple(_read_pair(entry["source"], entry["driving"], frames, path) for entry in entries)
            for name, entries in lists.items()
        }
    except (UnicodeDecodeError, json.JSONDecodeError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            'Expected a list of pairs as {"cross": [{"source": NAME, "driving": [NAME, ...]}, ...]}, received '
            f"{str(path)!r} with {type(error).__name__}: {error}. Compare it with the pairs.json of a report."
        ) from error
    unknown = sorted(set(listed) - set(LISTED))
    if unknown:
        raise ValueError(
            f"Expected lists of {', '.join(LISTED)} in {path.name}, received {unknown[0]!r}. Rename or remove it."
        )
    return listed


def _read_pair(source: str, driving: list[str], frames: FrameSet, path: Path) -> Pair:
    first = _rows_of(source, frames, path)[0]
    names = [driving] if isinstance(driving, str) else driving
    rows = tuple(row for name in names for row in _rows_of(name, frames, path))
    is_same_person = all(frames.identity[row] == frames.identity[first] for row in rows)
    return Pair(first, tuple(row for row in rows if row != first), is_same_person)


def _rows_of(name: str, frames: FrameSet, path: Path) -> tuple[int, ...]:
    if name in frames.rows:
        return (frames.rows[name],)
    for video in frames.videos:
        if video.name == name:
            return video.spaced
    raise ValueError(
        f"Expected names of frames or videos of the data in {path.name}, received {name!r} which is not among those "
        "read. Check the name, --videos and --frames-per-video."
    )
