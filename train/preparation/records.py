"""What was done with each video: one small file for each, written when its shard is whole.

A video is done when its record is there, names the same clips as the folder of videos, and its shard is there. So a run
that was killed anywhere does again what was not finished, and nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .clips import Clip

FOLDER = "records"
BAD_CLIPS_NAME = "bad_clips.jsonl"
MAX_STEM = 80


@dataclass(frozen=True)
class ClipRecord:
    """What was done with a clip.

    Attributes:
        name: of the clip.
        num_bytes: size of its files.
        sha256: of its files' bytes, in order; "" for a bad clip.
        num_seen: frames that were looked at.
        num_frames: frames that are in the shard.
        error: why it is bad; "" for a good clip.
    """

    name: str
    num_bytes: int
    sha256: str
    num_seen: int
    num_frames: int
    error: str


@dataclass(frozen=True)
class VideoTask:
    """A video to prepare: its clips become one shard.

    Attributes:
        video: name.
        split: of its frames.
        clips: in order.
    """

    video: str
    split: str
    clips: tuple[Clip, ...]

    @property
    def stem(self) -> str:
        """Name of its shard and record without suffix: readable, and different for names that differ in case only."""
        readable = re.sub(r"[^A-Za-z0-9_-]+", "-", self.video)[:MAX_STEM].strip("-")
        return f"{readable}-{hashlib.sha256(self.video.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class VideoRecord:
    """What was done with a video.

    Attributes:
        video, split: as in its task.
        shard: file name of the shard; "" if no frame came of it.
        clips: what was done with each.
    """

    video: str
    split: str
    shard: str
    clips: tuple[ClipRecord, ...]

    @property
    def num_frames(self) -> int:
        """Frames in the shard."""
        return sum(clip.num_frames for clip in self.clips)

    @property
    def bad_clips(self) -> list[ClipRecord]:
        """Clips that could not be used."""
        return [clip for clip in self.clips if clip.error]


def write_record(folder: Path, stem: str, record: VideoRecord) -> None:
    """Write the record of a video whose shard is whole."""
    replace_text(folder / FOLDER / f"{stem}.json", json.dumps(asdict(record), indent=1) + "\n")


def read_record(path: Path) -> VideoRecord:
    """Read one record."""
    values = json.loads(path.read_text(encoding="utf-8"))
    return VideoRecord(**{**values, "clips": tuple(ClipRecord(**clip) for clip in values["clips"])})


def read_records(folder: Path) -> list[VideoRecord]:
    """All records of a folder of shards, in a fixed order."""
    return [read_record(path) for path in sorted((folder / FOLDER).glob("*.json"))]


def is_done(folder: Path, task: VideoTask, retry: bool) -> bool:
    """Whether a video needs no work; with `retry`, videos with bad clips do."""
    path = folder / FOLDER / f"{task.stem}.json"
    if not path.is_file():
        return False
    record = read_record(path)
    planned = [(clip.name, clip.num_bytes) for clip in task.clips]
    is_same = record.split == task.split and [(clip.name, clip.num_bytes) for clip in record.clips] == planned
    is_there = not record.shard or (folder / record.shard).is_file()
    return is_same and is_there and not (retry and record.bad_clips)


def write_bad_clips(folder: Path, records: Iterable[VideoRecord]) -> int:
    """List the bad clips with the reason, one JSON object a line; returns their number."""
    bad = [{"clip": clip.name, "error": clip.error} for record in records for clip in record.bad_clips]
    replace_text(folder / BAD_CLIPS_NAME, "".join(json.dumps(entry) + "\n" for entry in bad))
    return len(bad)


def hash_files(paths: Sequence[Path]) -> str:
    """sha256 of the bytes of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def replace_text(path: Path, text: str) -> None:
    """Write a text file under a temporary name and rename it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
