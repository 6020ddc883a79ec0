"""A job of the Animate and Batch tabs that moves one photo: frames are written into two videos as they are made."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from torch import Tensor

from diffusionact import DiffusionActPipeline, PoseOptions, ReenactedFrame, SourceCodes
from diffusionact.face.geometry.crop_change import UNCHANGED, CropChange
from diffusionact.generation import Sampling
from diffusionact.pipelines.stream_hooks import StreamHooks
from diffusionact.video import FrameSource

from .background import Report, reports
from .composing import MODEL_OUTPUT, Composer
from .jobs import Composed, Job, JobProgress, Sound, Stopped, VideoPair, finished, write_frames
from .motions import MotionClip
from .shared_model import SharedModel


@dataclass(frozen=True)
class AnimateJob(Job):
    """What to render, and where to.

    Attributes:
        source: the photo.
        driving: the opened video, or a motion in its place.
        folder: where the videos go; a file named STOP_NAME in it ends the job early.
        source_face: "largest", or an index, largest first.
        source_crop: of the square that the source's face is cut out by; the driver's is among `options`.
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
    source_crop: CropChange = UNCHANGED
    options: PoseOptions = field(default_factory=PoseOptions)
    sampling: Sampling = Sampling()
    frames: int = 10**9
    feather: float = 0.1
    match_colour: bool = False
    keep_sound: bool = True
    output_side_px: int = 1280
    output: str = MODEL_OUTPUT

    @property
    def total(self) -> int:
        """Frames to expect; the cap where the clip does not say."""
        return min(self.driving.frame_count or self.frames, self.frames)


def animate(model: SharedModel, job: AnimateJob) -> Iterator[JobProgress]:
    """Render a job, reporting its progress after every step and every frame.

    A video that breaks in the middle, or is stopped, still gives videos of the frames before.

    Raises:
        ValueError: if nothing can be rendered.
    """
    started = time.perf_counter()
    try:
        source = yield from _encode(model, job, started)
    except Stopped:
        yield JobProgress("stopped", 0, job.total, time.perf_counter() - started)
        return
    yield from _render(model, job, source, started)


def _encode(model: SharedModel, job: AnimateJob, started: float) -> Iterator[JobProgress]:
    """Encode the source; returns its codes."""

    def work(report: Report) -> SourceCodes:
        def on_step(done: int, total: int) -> None:
            job.check_stopped()
            report(JobProgress("encoding", done, total, time.perf_counter() - started), can_wait=False)

        return model.encode(job.source, job.source_face, on_step, job.source_crop)

    yield JobProgress("encoding", 0, model.encode_steps, time.perf_counter() - started)
    return (yield from reports(work))


def _render(model: SharedModel, job: AnimateJob, source: SourceCodes, started: float) -> Iterator[JobProgress]:
    """Render and write all frames, then report the finished videos."""
    steps = model.steps_per_frame(job.sampling)
    begun = JobProgress("rendering", 0, job.total, time.perf_counter() - started)
    composer = Composer(
        model.pipeline,
        source,
        job.source,
        iter(job.driving),
        job.output,
        job.output_side_px,
        job.feather,
        job.match_colour,
    )

    def compose(frame: ReenactedFrame) -> Composed:
        return Composed(*composer(frame), bool(frame.pose.found))

    clip = job.driving if isinstance(job.driving, FrameSource) else None
    sound = Sound(job.driving.path) if job.keep_sound and job.driving.has_audio else Sound()
    videos = VideoPair(job.folder, job.driving.frame_rate, sound, clip)
    events = reports(partial(_stream, model, job, source, composer.pipeline))
    last = yield from write_frames(job, events, compose, videos, begun, steps)
    if last.done:
        model.costs.learn_frames(last.rendering_seconds, last.done, steps)
    yield finished(last, videos, tuple(job.driving.problems))


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
