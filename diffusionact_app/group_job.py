"""A job in which several faces of a photo move, each as its own clip or motion does."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from diffusionact import PoseOptions, SourceCodes
from diffusionact.face.paste_back import shrunk_source
from diffusionact.generation import Sampling
from diffusionact.images import load_image
from diffusionact.motion import load_script
from diffusionact.pipelines.group_drivers import GroupTiming, group_poses
from diffusionact.pipelines.group_photo import GroupPhoto
from diffusionact.types import CropTransform
from diffusionact.video import FrameSource

from .background import Report, reports
from .jobs import Composed, Job, JobProgress, Sound, Stopped, VideoPair, finished, write_frames
from .motions import FRAME_RATE
from .scene_panels import ScenePanels
from .shared_model import SharedModel

MIN_MOTION_FRAMES = 100  # motions may be longer than the output, and not too short


@dataclass(frozen=True)
class GroupJob(Job):
    """Who moves as what, and where to write it.

    Attributes:
        source: the photo.
        folder: where the videos go.
        drivers: index of a face, largest first -> a name in `clips`, else a bundled motion; other faces stay.
        clips: opened, at one constant rate.
        options: how clips are read.
        seconds: of the output; 0 is as long as the clips, or the longest motion.
        driver_end: what becomes of a shorter clip.
        keep_sound: copy the first clip's sound.
        sampling: how frames are rendered, where the engine samples.
        frames: at most so many are rendered.
        feather: see `face.paste_back`.
        output_side_px: longest side of the output.
    """

    source: Path
    folder: Path
    drivers: Mapping[int, str]
    clips: Mapping[str, FrameSource]
    options: PoseOptions = field(default_factory=PoseOptions)
    seconds: float = 0.0
    driver_end: str = "stop"
    keep_sound: bool = True
    sampling: Sampling = Sampling()
    frames: int = 10**9
    feather: float = 0.1
    output_side_px: int = 1280

    @property
    def frame_rate(self) -> Fraction:
        """Of the output: the clips', or a still photo's."""
        return next((clip.frame_rate for clip in self.clips.values()), Fraction(FRAME_RATE))

    @property
    def total(self) -> int:
        """Frames to render."""
        counts = [clip.frame_count for clip in self.clips.values() if clip.frame_count]
        if counts and not self.seconds:
            wanted = min(counts) if self.driver_end == "stop" else max(counts)
        else:
            wanted = max(1, round((self.seconds or self._longest_motion()) * self.frame_rate))
        return min(wanted, self.frames)

    def _longest_motion(self) -> float:
        names = [what for what in self.drivers.values() if what not in self.clips]
        return max((load_script(name).seconds for name in names), default=float(self.frames / self.frame_rate))


def animate_group(model: SharedModel, job: GroupJob) -> Iterator[JobProgress]:
    """Render a job, reporting its progress after every step and every frame; stopped, it leaves the frames before.

    Raises:
        NoFaceFoundError: if the photo has no such face.
        ValueError: if nothing can be rendered.
    """
    started = time.perf_counter()
    try:
        sources = yield from _encode(model, job, started)
    except Stopped:
        yield JobProgress("stopped", 0, job.total, time.perf_counter() - started)
        return
    photo, fitted_sources = _fitted(job, sources)
    panels = ScenePanels(tuple(photo.shape[:2]))
    clip = next(iter(job.clips.values()), None)
    has_sound = clip is not None and clip.has_audio and job.keep_sound
    videos = VideoPair(job.folder, job.frame_rate, Sound(clip.path, clip.begin) if has_sound else Sound())
    begun = JobProgress("rendering", 0, job.total, time.perf_counter() - started)
    events = reports(partial(_stream, model, job, photo, fitted_sources))
    last = yield from write_frames(job, events, lambda frame: Composed(frame, panels(photo, frame)), videos, begun)
    if last.done:
        steps = model.steps_per_frame(job.sampling)
        model.costs.learn_frames(last.rendering_seconds, last.done * len(sources), steps)
    yield finished(last, videos, tuple(problem for clip in job.clips.values() for problem in clip.problems))


def _encode(model: SharedModel, job: GroupJob, started: float) -> Iterator[JobProgress]:
    """Encode each face in a turn of its own; returns their codes."""
    count, steps = len(job.drivers), max(1, model.encode_steps)

    def work(report: Report) -> list[SourceCodes]:
        codes = []
        for place, face in enumerate(job.drivers):

            def on_step(done: int, total: int, before: int = place * steps) -> None:
                job.check_stopped()
                report(begun(before + done), can_wait=False)

            codes.append(model.encode(job.source, face, on_step))
            job.check_stopped()
            report(begun((place + 1) * steps))
        return codes

    def begun(done: int) -> JobProgress:
        return JobProgress("encoding", done, count * steps, time.perf_counter() - started)

    yield begun(0)
    return (yield from reports(work))


def _fitted(job: GroupJob, sources: list[SourceCodes]) -> tuple[Tensor, list[SourceCodes]]:
    """The photo at the output's size, and the sources in it; faces were found at its own."""
    photo = load_image(job.source)
    crops = CropTransform(torch.cat([source.crop.matrix for source in sources]), sources[0].crop.size)
    small, crops = shrunk_source(photo, crops, job.output_side_px)
    rows = crops.matrix.split(1)
    return small, [
        replace(source, crop=replace(source.crop, matrix=row)) for source, row in zip(sources, rows, strict=True)
    ]


def _stream(model: SharedModel, job: GroupJob, photo: Tensor, sources: list[SourceCodes], report: Report) -> None:
    def frames() -> Iterator[Tensor]:
        group = GroupPhoto.of_sources(model.pipeline, photo, sources, job.feather)
        timing = GroupTiming(job.frame_rate, max(job.total, MIN_MOTION_FRAMES), job.driver_end)
        clips = {name: _watched(model, job, clip) for name, clip in job.clips.items()}
        poses = group_poses(model.pipeline, group.sources, job.drivers.values(), clips, job.options, timing)
        yield from group.stream(poses, job.sampling)

    for frame in itertools.islice(model.in_turns(frames()), job.total):
        report(frame)


def _watched(model: SharedModel, job: GroupJob, clip: FrameSource) -> Iterator[Tensor]:
    """A clip's frames; others get their turn in between, as a face may be long in coming."""
    for frame in clip:
        job.check_stopped()
        model.give_way()
        yield frame
