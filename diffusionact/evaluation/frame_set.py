"""The frames that an evaluation looks at, and the videos they come from.

Images are aligned already, as `shards.py` holds them or `clip_set.py` cuts them, and are read when they are asked for;
points are px of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..data.shards import FrameFacts, StoredFrame, decode_image, expression_names, list_shards, read_bytes, scan_shard
from ..images import uint8_to_model
from ..types import CropTransform

POINTS_AND_ANGLES = ("landmarks", "pupils", "head_pose", "gaze", "expression")
TEST_SPLIT = "test"


@dataclass(frozen=True)
class Photo:
    """What a frame was cut from.

    Attributes:
        name: of the frame.
        image: uint8 (H, W, 3).
        crop: photo -> the frame's image, one row.
    """

    name: str
    image: Tensor
    crop: CropTransform


class KnownFrame(Protocol):
    """A frame and what is known about it.

    Attributes:
        facts: see `FrameFacts`; points are px of the image.
    """

    facts: FrameFacts

    def image(self) -> np.ndarray:
        """The aligned image (H, H, 3) uint8."""

    def real(self, size: int) -> np.ndarray:
        """(size, size) bool: which pixels of the image were seen by a camera; the others are padding."""

    def scored(self, size: int) -> np.ndarray:
        """(size, size) bool: which of them show what the camera saw, and are not blurred into the padding."""

    def photo(self) -> Photo | None:
        """What the image was cut from; None where nobody knows."""


@dataclass(frozen=True)
class ShardedFrame:
    """A frame in its shard; see `KnownFrame`. What it was cut from is gone, and all its pixels count."""

    shard: Path
    stored: StoredFrame

    @property
    def facts(self) -> FrameFacts:
        """See `KnownFrame`."""
        return self.stored.facts

    def image(self) -> np.ndarray:
        """See `KnownFrame`."""
        with open(self.shard, "rb") as file:
            return decode_image(read_bytes(file, self.stored.image))

    def real(self, size: int) -> np.ndarray:
        """See `KnownFrame`."""
        return np.ones((size, size), dtype=bool)

    def scored(self, size: int) -> np.ndarray:
        """See `KnownFrame`."""
        return self.real(size)

    def photo(self) -> None:
        """See `KnownFrame`."""
        return None


@dataclass(frozen=True)
class Video:
    """Frames of one person in one video, in order.

    Attributes:
        name: unique in the data.
        identity: name of the person.
        spaced: rows of the frame set, evenly spaced over the video, its first frame first.
        leading: rows of as many neighbouring frames, without gaps or cuts; at the video's beginning, if it may be.
        source: row of the frame that is re-enacted.
    """

    name: str
    identity: str
    spaced: tuple[int, ...]
    leading: tuple[int, ...]
    source: int


class FrameSet:
    """Frames and what is known about them.

    Args:
        frames: where they lie, at least one.
        videos: how they belong together.
        names: of the entries of the expression.
        fingerprint: tells one data folder from another.
        has_photos: frames were cut from photos, which are there.
        notes: what a report has to say about the choice of frames, a sentence each.

    Attributes:
        keys: name of every frame; `rows` goes back.
        identity: name of the person of every frame.
        is_rendered: the facts are the truth of a renderer, not what a face reader saw.
        size: side of the images, pixels.
        landmarks: (N, 68, 2) px; pupils (N, 2, 2) px; head_pose (N, 3) degrees; gaze (N, 2) radians; expression (N, E).

    Raises:
        ValueError: if the first image is not square.
    """

    def __init__(
        self,
        frames: Sequence[KnownFrame],
        videos: Sequence[Video],
        names: list[str],
        fingerprint: str,
        has_photos: bool = False,
        notes: Sequence[str] = (),
    ):
        self._frames = list(frames)
        self.videos = tuple(videos)
        self.expression_names = names
        self.fingerprint = fingerprint
        self.has_photos = has_photos
        self.notes = tuple(notes)
        facts = [frame.facts for frame in frames]
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

    def real(self, rows: Sequence[int]) -> Tensor:
        """Which pixels of the images (B, 1, H, H) bool were seen by a camera; the others are padding."""
        return torch.from_numpy(np.stack([self._frames[row].real(self.size) for row in rows]))[:, None]

    def scored(self, rows: Sequence[int]) -> Tensor:
        """Which pixels of the images (B, 1, H, H) bool show what the camera saw, not blurred into the padding."""
        return torch.from_numpy(np.stack([self._frames[row].scored(self.size) for row in rows]))[:, None]

    def without_padding(self, rows: Sequence[int]) -> Tensor:
        """Images (B, 3, H, H) in [-1, 1], grey where they are padding, for observers that would see faces there."""
        return self.images(rows) * self.real(rows)

    def photo(self, row: int) -> Photo | None:
        """What a frame was cut from; None where nobody knows."""
        return self._frames[row].photo()

    def _image(self, row: int) -> np.ndarray:
        return self._frames[row].image()

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
    tested = [frame for frame in everything if frame.facts.split == TEST_SPLIT] or everything
    frames: list[ShardedFrame] = []
    found: list[Video] = []
    for name, group in groupby(tested, key=lambda frame: frame.facts.video):
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
    first_clip = video[0].facts.clip
    leading = [index for index, frame in enumerate(video) if frame.facts.clip == first_clip][:count]
    rows = {index: len(frames) + row for row, index in enumerate(sorted({*spaced, *leading}))}
    frames.extend(video[index] for index in rows)
    identity = video[0].facts.identity
    videos.append(Video(name, identity, _rows(rows, spaced), _rows(rows, leading), source=rows[spaced[0]]))


def _rows(rows: dict[int, int], indices: Iterable[int]) -> tuple[int, ...]:
    return tuple(rows[index] for index in indices)
