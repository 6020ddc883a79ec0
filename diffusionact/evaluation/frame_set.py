"""The frames that an evaluation looks at, and the videos they come from.

Images are aligned already, as `shards.py` holds them, and are read when they are asked for; points are px of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data.shards import StoredFrame, decode_image, expression_names, list_shards, read_bytes, scan_shard
from ..images import uint8_to_model

POINTS_AND_ANGLES = ("landmarks", "pupils", "head_pose", "gaze", "expression")
TEST_SPLIT = "test"


@dataclass(frozen=True)
class ShardedFrame:
    """A frame and the shard that it lies in."""

    shard: Path
    stored: StoredFrame


@dataclass(frozen=True)
class Video:
    """Frames of one person in one video, in order.

    Attributes:
        name: unique in the data.
        identity: name of the person.
        spaced: rows of the frame set, evenly spaced over the video, its first frame first.
        leading: rows of as many frames at the video's beginning, without gaps or cuts.
    """

    name: str
    identity: str
    spaced: tuple[int, ...]
    leading: tuple[int, ...]


class FrameSet:
    """Frames and what is known about them.

    Args:
        frames: where they lie, at least one.
        videos: how they belong together.
        names: of the entries of the expression.
        fingerprint: tells one data folder from another.

    Attributes:
        keys: name of every frame; `rows` goes back.
        identity: name of the person of every frame.
        is_rendered: the facts are the truth of a renderer, not what a face reader saw.
        size: side of the images, pixels.
        landmarks: (N, 68, 2) px; pupils (N, 2, 2) px; head_pose (N, 3) degrees; gaze (N, 2) radians; expression (N, E).

    Raises:
        ValueError: if the first image is not square.
    """

    def __init__(self, frames: Sequence[ShardedFrame], videos: Sequence[Video], names: list[str], fingerprint: str):
        self._frames = list(frames)
        self.videos = tuple(videos)
        self.expression_names = names
        self.fingerprint = fingerprint
        facts = [frame.stored.facts for frame in frames]
        self.keys = [fact.key for fact in facts]
        self.rows = {key: row for row, key in enumerate(self.keys)}
        self.identity = [fact.identity for fact in facts]
        self.is_rendered = all(fact.face is None for fact in facts)
        self.landmarks, self.pupils, self.head_pose, self.gaze, self.expression = (
            torch.from_numpy(np.stack([getattr(fact, name) for fact in facts])) for name in POINTS_AND_ANGLES
        )
        self.size = len(self._image(0))
        self._check(self._image(0), 0)

    def __len__(self) -> int:
        return len(self.keys)

    def images(self, rows: Sequence[int]) -> Tensor:
        """Read images (B, 3, H, H) in [-1, 1].

        Raises:
            ValueError: if they differ in size from the first of the set.
        """
        images = {row: self._check(self._image(row), row) for row in dict.fromkeys(rows)}
        return uint8_to_model(torch.from_numpy(np.stack([images[row] for row in rows])))

    def _image(self, row: int) -> np.ndarray:
        frame = self._frames[row]
        with open(frame.shard, "rb") as file:
            return decode_image(read_bytes(file, frame.stored.image))

    def _check(self, image: np.ndarray, row: int) -> np.ndarray:
        if image.shape != (self.size, self.size, 3):
            raise ValueError(
                f"Expected square images of one size, {self.size} px, received {image.shape} for frame "
                f"{self.keys[row]}. Prepare the shards at one size."
            )
        return image


def load_frame_set(folder: str | Path, videos: int | None = None, frames_per_video: int | None = None) -> FrameSet:
    """Find the test videos of a data folder: those of the split "test", or all where nothing is marked so.

    Args:
        folder: holds shards.
        videos: at most so many, the first in the order of the shards; None takes all.
        frames_per_video: of each video keep so many evenly spaced frames, and as many at its beginning; None keeps all.

    Raises:
        FileNotFoundError: if there are no shards.
        ValueError: if a shard is damaged, no video has two frames, or images are not square.
    """
    shards, digest = list_shards(folder), hashlib.sha256()
    for path in shards:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
    everything = [ShardedFrame(path, stored) for path in shards for stored in scan_shard(path)]
    tested = [frame for frame in everything if frame.stored.facts.split == TEST_SPLIT] or everything
    frames: list[ShardedFrame] = []
    found: list[Video] = []
    for name, group in groupby(tested, key=lambda frame: frame.stored.facts.video):
        _add_video(name, list(group), frames_per_video, frames, found)
        if len(found) == videos:
            break
    if not found:
        raise ValueError(
            f"Expected videos of at least two frames in {str(folder)!r}, received none. Prepare more frames of a "
            "person, or raise --frames-per-video."
        )
    return FrameSet(frames, found, expression_names(folder), digest.hexdigest()[:16])


def spaced_positions(length: int, count: int | None) -> list[int]:
    """At most `count` evenly spaced positions of `length`, the first among them."""
    if count is None or count >= length:
        return list(range(length))
    return sorted({round(step * (length - 1) / max(count - 1, 1)) for step in range(count)})


def _add_video(
    name: str, video: list[ShardedFrame], count: int | None, frames: list[ShardedFrame], videos: list[Video]
) -> None:
    spaced = spaced_positions(len(video), count)
    if len(spaced) < 2:
        return
    first_clip = video[0].stored.facts.clip
    leading = [index for index, frame in enumerate(video) if frame.stored.facts.clip == first_clip][:count]
    rows = {index: len(frames) + row for row, index in enumerate(sorted({*spaced, *leading}))}
    frames.extend(video[index] for index in rows)
    videos.append(Video(name, video[0].stored.facts.identity, _rows(rows, spaced), _rows(rows, leading)))


def _rows(rows: dict[int, int], indices: Iterable[int]) -> tuple[int, ...]:
    return tuple(rows[index] for index in indices)
