"""One job of the Animate and Batch tabs: frames are written into two videos as they are made, and shown on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor

from diffusionact import DiffusionActPipeline, PoseOptions, ReenactedFrame, SourceCodes
from diffusionact.generation import Sampling
from diffusionact.pipelines.stream_hooks import StreamHooks
from diffusionact.video import FrameSource, VideoWriter

from .background import Report, reports
from .composing import MODEL_OUTPUT, Composer
from .motions import MotionClip
from .shared_model import SharedModel

STOP_NAME = "stop"


@dataclass(frozen=True)
class AnimateJob:
    """What to render, and where to.

    Attributes:
        source: the photo.
        driving: the opened video, or a motion in its place.
        folder: where the videos go; a file named STOP_NAME in it ends the job early.
        source_face: "largest", or an index, largest first.
        options: how the driver is read.
        sampling: how frames are rendered, where the engine samples.
        frames: at most so many are rendered.
        feather, match_colour: see `face.paste_back`.
        keep_sound: copy the driver's sound.
        output_side_px: longest side of the full-frame video.
        output: see `composing.Composer`.
    """

    source: Path
    driving: FrameSource | MotionClip
    folder: Path
    source_face: str | int = "largest"
    options: PoseOptions = field(default_factory=PoseOptions)
    sampling: Sampling = Sampling()
    frames: int = 10**9
    feather: float = 0.1
    match_colour: bool = False
    keep_sound: bool = True
    output_side_px: int = 1280
    output: str = MODEL_OUTPUT

    @property
    def is_stopped(self) -> bool:
        """Whether the visitor asked to stop, or is gone, and the folder too."""
        return (self.folder / STOP_NAME).exists() or not self.folder.is_dir()

    def check_stopped(self) -> None:
        """Raise Stopped if the visitor asked to stop."""
        if self.is_stopped:
            raise Stopped

    @property
    def total(self) -> int:
        """Frames to expect; the cap where the clip does not say."""
        return min(self.driving.frame_count or self.frames, self.frames)


class Stopped(Exception):
    """The visitor asked to stop."""


@dataclass(frozen=True)
class AnimationProgress:
    """How far a job is.

    Attributes:
        stage: "encoding", "rendering", "done", "stopped" or "broken".
        done, total: steps while encoding, else frames that are written.
        seconds: since the job began.
        rendering_seconds: since the first frame was begun.
        rendered: frames that are rendered, with the finished part of those in work.
        preview: the last frame, side by side, uint8 (H, W, 3); None where there is no new one.
        full_frame, side_by_side: finished videos.
        without_face: driving frames that showed no face.
        reason: why a job broke off.
        problems: what of the driving video could not be had.
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
    reason: str = ""
    problems: tuple[str, ...] = ()


def animate(model: SharedModel, job: AnimateJob) -> Iterator[AnimationProgress]:
    """Render a job, reporting its progress after every step and every frame.

    A video that breaks in the middle, or is stopped, still gives videos of the frames before.

    Raises:
        ValueError: if nothing can be rendered.
    """
    started = time.perf_counter()
    try:
        source = yield from _encode(model, job, started)
    except Stopped:
        yield AnimationProgress("stopped", 0, job.total, time.perf_counter() - started)
        return
    yield from _render(model, job, source, started)


def _encode(model: SharedModel, job: AnimateJob, started: float) -> Iterator[AnimationProgress]:
    """Encode the source; returns its codes."""

    def work(report: Report) -> SourceCodes:
        def on_step(done: int, total: int) -> None:
            job.check_stopped()
            report(AnimationProgress("encoding", done, total, time.perf_counter() - started), can_wait=False)

        return model.encode(job.source, job.source_face, on_step)

    yield AnimationProgress("encoding", 0, model.encode_steps, time.perf_counter() - started)
    return (yield from reports(work))


def _render(model: SharedModel, job: AnimateJob, source: SourceCodes, started: float) -> Iterator[AnimationProgress]:
    """Render and write all frames, then report the finished videos."""
    rendering, steps = time.perf_counter(), model.steps_per_frame(job.sampling)
    last = AnimationProgress("rendering", 0, job.total, rendering - started)
    compose = Composer(
        model.pipeline,
        source,
        job.source,
        iter(job.driving),
        job.output,
        job.output_side_px,
        job.feather,
        job.match_colour,
    )
    stage, reason = "done", ""
    with _VideoPair(job) as videos, closing(reports(partial(_stream, model, job, source, compose.pipeline))) as events:
        try:
            for event in events:
                if isinstance(event, ReenactedFrame):
                    full, side = compose(event)
                    videos.write(full, side)
                    without_face = last.without_face + int(not event.pose.found)
                    last = replace(last, done=last.done + 1, preview=side, without_face=without_face)
                else:
                    last = replace(last, rendered=event / steps, preview=None)
                now = time.perf_counter()
                last = replace(last, seconds=now - started, rendering_seconds=now - rendering)
                yield last
                job.check_stopped()
        except Stopped:
            stage = "stopped"
        except (ValueError, OSError) as error:
            if not last.done:
                raise
            stage, reason = "broken", str(error)
    yield _finished(model, job, replace(last, stage=stage, reason=reason, preview=None), videos)


def _stream(
    model: SharedModel, job: AnimateJob, source: SourceCodes, pipeline: DiffusionActPipeline, report: Report
) -> None:
    """Report every frame, and between them how many steps are done."""

    def on_step(done: int, preview: Tensor | None) -> None:
        report(done, can_wait=False)  # in the job's turn, which others wait for

    hooks = StreamHooks(on_step, job.check_stopped)
    driving, rate = islice(job.driving, job.frames), float(job.driving.frame_rate)
    if isinstance(job.driving, MotionClip):
        values = islice(job.driving.timeline, job.frames)
        frames = model.stream_motion(source, values, job.sampling, hooks, pipeline)
    else:
        frames = model.stream(source, driving, job.options, rate, job.sampling, hooks, pipeline)
    for frame in frames:
        report(frame)


def _finished(model: SharedModel, job: AnimateJob, last: AnimationProgress, videos: _VideoPair) -> AnimationProgress:
    """The last report; what the frames took is learnt."""
    if last.done:
        model.costs.learn_frames(last.rendering_seconds, last.done, model.steps_per_frame(job.sampling))
        problems = tuple(job.driving.problems)
        return replace(last, full_frame=videos.full_frame, side_by_side=videos.side_by_side, problems=problems)
    if last.stage == "stopped":
        return last
    raise ValueError("Expected a driving video with frames, received none. Check the file.")


class _VideoPair:
    """Both videos of a job, opened at the first frame; without one nothing is written."""

    def __init__(self, job: AnimateJob):
        self.job = job
        self.full_frame = job.folder / "full_frame.mp4"
        self.side_by_side = job.folder / "side_by_side.mp4"
        self._open = ExitStack()
        self._writers: list[VideoWriter] = []

    def __enter__(self) -> _VideoPair:
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def write(self, full: Tensor, side: Tensor) -> None:
        if not self._writers:
            audio = self.job.driving.path if self.job.keep_sound and self.job.driving.has_audio else None
            clip = self.job.driving if isinstance(self.job.driving, FrameSource) else None
            for path, frame in ((self.full_frame, full), (self.side_by_side, side)):
                writer = VideoWriter(
                    path, self.job.driving.frame_rate, tuple(frame.shape[:2]), audio_from=audio, clip=clip
                )
                self._writers.append(self._open.enter_context(writer))
        for writer, frame in zip(self._writers, (full, side), strict=True):
            writer.write(frame)
