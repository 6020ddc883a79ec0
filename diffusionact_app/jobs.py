"""What all jobs share: how they are stopped, how far they are, and the two videos that they write."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from diffusionact.video import FrameSource, VideoWriter

STOP_NAME = "stop"
AnyJob = TypeVar("AnyJob", bound="Job")


class Stopped(Exception):
    """The visitor asked to stop."""


class Job:
    """A request for two videos.

    Attributes:
        folder: where they go; a file named STOP_NAME in it ends the job early.
    """

    folder: Path

    def in_folder(self: AnyJob, folder: Path) -> AnyJob:
        """The same job with another folder."""
        return replace(self, folder=folder)

    @property
    def is_stopped(self) -> bool:
        """Whether the visitor asked to stop, or is gone, and the folder too."""
        return (self.folder / STOP_NAME).exists() or not self.folder.is_dir()

    def check_stopped(self) -> None:
        """Raise Stopped if the visitor asked to stop."""
        if self.is_stopped:
            raise Stopped


@dataclass(frozen=True)
class JobProgress:
    """How far a job is.

    Attributes:
        stage: "encoding", "rendering", "done", "stopped" or "broken".
        done, total: steps while encoding, else frames that are written.
        seconds: since the job began.
        rendering_seconds: since the first frame was begun.
        rendered: frames that are rendered, with the finished part of those in work.
        preview: the last frame, side by side, uint8 (H, W, 3); None where there is no new one.
        full_frame, side_by_side: finished videos.
        without_face: frames that showed no face.
        faceless: what became of these.
        reason: why a job broke off.
        problems: what of the videos could not be had.
    """

    stage: str
    done: int
    total: int
    seconds: float
    rendering_seconds: float = 0.0
    rendered: float = 0.0
    preview: Tensor | None = None
    full_frame: Path | None = None
    side_by_side: Path | None = None
    without_face: int = 0
    faceless: str = "filled in"
    reason: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Composed:
    """A rendered frame as it is written.

    Attributes:
        full, side: uint8 (H, W, 3) on the CPU.
        found: whether a face was seen.
    """

    full: Tensor
    side: Tensor
    found: bool = True


@dataclass(frozen=True)
class Sound:
    """Whose sound goes along: a file, and the second in it, in its own time, at which the output begins."""

    path: Path | None = None
    begin: Fraction | None = None


class VideoPair:
    """Both videos of a job, opened at the first frame; without one nothing is written.

    Args:
        folder: they go there.
        frame_rate: frames per second.
        sound: of both.
        clip: what the frames were made from, for their times; see `VideoWriter`.
    """

    def __init__(self, folder: Path, frame_rate: Fraction, sound: Sound, clip: FrameSource | None = None):
        self.full_frame = folder / "full_frame.mp4"
        self.side_by_side = folder / "side_by_side.mp4"
        self._rate, self._sound, self._clip = frame_rate, sound, clip
        self._open = ExitStack()
        self._writers: list[VideoWriter] = []

    def __enter__(self) -> VideoPair:
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def write(self, full: Tensor, side: Tensor) -> None:
        if not self._writers:
            for path, frame in ((self.full_frame, full), (self.side_by_side, side)):
                size, sound = tuple(frame.shape[:2]), self._sound
                writer = VideoWriter(
                    path, self._rate, size, audio_from=sound.path, clip=self._clip, audio_begin=sound.begin
                )
                self._writers.append(self._open.enter_context(writer))
        for writer, frame in zip(self._writers, (full, side), strict=True):
            writer.write(frame)


def write_frames(
    job: Job,
    events: Generator,
    compose: Callable[[Any], Composed],
    videos: VideoPair,
    begun: JobProgress,
    steps: int = 1,
) -> Generator[JobProgress, None, JobProgress]:
    """Write what a job renders, reporting after every event; returns the last report.

    A video that breaks in the middle, or is stopped, still gives videos of the frames before.

    Args:
        job: may be stopped.
        events: rendered frames, and numbers of finished steps between them.
        compose: what is written of a frame.
        videos: where to.
        begun: the report before the first frame.
        steps: of one frame.

    Raises:
        ValueError: if nothing can be rendered.
    """
    started, last = time.perf_counter(), begun
    stage, reason = "done", ""
    with videos, closing(events):
        try:
            for event in events:
                if isinstance(event, (int, float)):
                    last = replace(last, rendered=event / steps, preview=None)
                else:
                    made = compose(event)
                    videos.write(made.full, made.side)
                    without_face = last.without_face + int(not made.found)
                    last = replace(last, done=last.done + 1, preview=made.side, without_face=without_face)
                spent = time.perf_counter() - started
                last = replace(last, seconds=begun.seconds + spent, rendering_seconds=spent)
                yield last
                job.check_stopped()
        except Stopped:
            stage = "stopped"
        except (ValueError, OSError) as error:
            if not last.done:
                raise
            stage, reason = "broken", str(error)
    return replace(last, stage=stage, reason=reason, preview=None)


def finished(last: JobProgress, videos: VideoPair, problems: tuple[str, ...] = ()) -> JobProgress:
    """The report of a job that is over, with its videos.

    Raises:
        ValueError: if there are none, and nobody stopped it.
    """
    if last.done:
        return replace(last, full_frame=videos.full_frame, side_by_side=videos.side_by_side, problems=problems)
    if last.stage == "stopped":
        return last
    raise ValueError("Expected a driving video with frames, received none. Check the file.")
