"""A job whose source is a clip: each frame takes what it should of a driver, or only eyes and mouth change."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor

from diffusionact import PoseOptions
from diffusionact.commands.source_videos import PARTS
from diffusionact.face.pose.editing import PoseMix
from diffusionact.generation import Sampling
from diffusionact.motion import Timeline, load_script
from diffusionact.pipelines.source_video import (
    FrameDriver,
    FrameEdit,
    SceneFrame,
    face_driver,
    motion_driver,
    no_driver,
    stream_source_video,
)
from diffusionact.video import FrameSource
from diffusionact.video.silence import frame_times, stillness_at

from .background import Report, reports
from .jobs import Composed, Job, JobProgress, Sound, VideoPair, finished, write_frames
from .motions import MotionClip
from .scene_panels import ScenePanels, fitted, played, scaled
from .shared_model import SharedModel

SOUNDS = ("auto", "source", "driver", "none")
FACELESS = "left as they were"
MIN_MOTION_S = 1.0


@dataclass(frozen=True)
class ClipJob(Job):
    """What to change of a clip, and where to write it.

    Attributes:
        source: the opened clip.
        folder: where the videos go.
        driving: the opened driver at the source's rate; None where none drives.
        motion: a bundled motion in the driver's place.
        options: how the driver is read.
        source_face: which face of the source changes: "largest", "follow", or an index, largest first.
        mix: what is taken of the driver.
        driver_end: what becomes of a shorter driver.
        edit: what is changed besides.
        still_when_silent: the mouth rests where the sound that goes along is silent.
        sound: whose, one of SOUNDS; "auto" is the driver's where its lips are taken.
        sampling: how frames are rendered, where the engine samples.
        frames: at most so many are rendered.
        feather: see `face.paste_back`.
        output_side_px: longest side of the output; larger frames are shrunk before they are read.
        face_count: faces that change, as far as is known before.

    Raises:
        ValueError: if the mouth is to rest in silence, and no sound goes along.
    """

    source: FrameSource
    folder: Path
    driving: FrameSource | None = None
    motion: str | None = None
    options: PoseOptions = field(default_factory=PoseOptions)
    source_face: str | int = "largest"
    mix: PoseMix = PoseMix(gaze=1.0, brows=1.0, eyes=1.0, mouth=1.0)
    driver_end: str = "stop"
    edit: FrameEdit = FrameEdit()
    still_when_silent: bool = False
    sound: str = "auto"
    sampling: Sampling = Sampling()
    frames: int = 10**9
    feather: float = 0.1
    output_side_px: int = 1280
    face_count: int = 1

    def __post_init__(self) -> None:
        if self.still_when_silent and self.heard.path is None:
            raise ValueError(
                "Expected sound for a still mouth in silence, received none that goes along. Choose another sound, or "
                "move Mouth to 0 for a mouth that is still throughout."
            )

    @property
    def driving_clips(self) -> tuple[FrameSource, ...]:
        """All that drive, opened."""
        return () if self.driving is None or self.motion is not None else (self.driving,)

    @property
    def total(self) -> int:
        """Frames to expect; the cap where the clip does not say."""
        ending = self.driving_clips if self.driver_end == "stop" else ()
        counts = [clip.frame_count for clip in (self.source, *ending)]
        return min([self.frames, *(count for count in counts if count)])

    @property
    def moves_heads(self) -> bool:
        """Whether heads turn, so that the person is cut out of every frame."""
        return self.motion is not None or (bool(self.driving_clips) and self.mix.head > 0)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the output."""
        return fitted(self.source.size, self.output_side_px)

    def timeline(self, motion: str) -> Timeline:
        """A bundled motion, as long as the source, or longer, as motions are not shorter than a moment."""
        seconds = max(float(self.source.duration), MIN_MOTION_S)
        return Timeline.of(load_script(motion), self.source.frame_rate, seconds)

    @property
    def heard(self) -> Sound:
        """The sound that goes along; of several drivers the first one's."""
        driver = next(iter(self.driving_clips), None)
        has_driver = driver is not None and driver.has_audio
        takes_driver = self.sound == "driver" or (self.sound == "auto" and has_driver and self.mix.mouth > 0)
        if self.sound == "none":
            return Sound()
        if takes_driver:
            return Sound(driver.path, driver.begin) if has_driver else Sound()
        return Sound(self.source.path, self.source.begin) if self.source.has_audio else Sound()

    @property
    def rendering(self) -> dict[str, Any]:
        """How frames are rendered, whichever of their faces change: options of `stream_source_video`."""
        return {
            "edit": self.edit,
            "sampling": self.sampling,
            "feather": self.feather,
            "keeps_head": not self.moves_heads,
            "stillness": self.stillness,
        }

    @property
    def stillness(self) -> Iterator[float] | None:
        """How still the mouth is in each frame of the source, which must have been read; None without the choice."""
        if not self.still_when_silent:
            return None
        return stillness_at(frame_times(self.source), self.heard.path, self.heard.begin)

    def shown_drivers(self) -> Iterator[Tensor] | None:
        """What drives, frame by frame, for showing; decoded a second time, as the stream may look ahead."""
        if self.motion is not None:
            return played(MotionClip(self.timeline(self.motion)), "hold")
        return None if self.driving is None else played(self.driving, self.driver_end)

    def changed(self, model: SharedModel, frames: Iterable[Tensor]) -> Iterator[SceneFrame]:
        """The source's frames uint8 (H, W, 3), at the output's size, as they become."""
        return stream_source_video(
            model.pipeline,
            frames,
            self._driver(model),
            replace(self.options, face=self.source_face),
            float(self.source.frame_rate),
            **self.rendering,
        )

    def _driver(self, model: SharedModel) -> FrameDriver:
        """Who says what becomes of each frame."""
        if self.motion is not None:
            return self.by_motion(model, self.motion)
        return no_driver() if self.driving is None else self.by_clip(model, self.driving)

    def by_motion(self, model: SharedModel, motion: str) -> FrameDriver:
        """A bundled motion as the driver."""
        return motion_driver(model.pipeline.face_reader.face_model, self.timeline(motion))

    def by_clip(self, model: SharedModel, clip: FrameSource) -> FrameDriver:
        """An opened clip, at the source's rate, as the driver."""
        seen = (frame.to(model.pipeline.face_device) for frame in clip)
        faces = model.pipeline.face_reader.read(seen, self.options, float(self.source.frame_rate))
        return face_driver(model.pipeline, faces, self.options, self.mix, self.driver_end)


def taken(parts: Iterable[str]) -> PoseMix:
    """What is taken of a driver, by the words of the command's --take.

    Raises:
        ValueError: if a word is none of them, or there is none.
    """
    words = list(parts)
    if not words or set(words) - set(PARTS):
        raise ValueError(f"Expected some of {', '.join(PARTS)} to take, received {words}. Choose at least one.")
    return PoseMix(**{name: share for word in words for name, share in PARTS[word].items()})


def animate_clip(model: SharedModel, job: ClipJob) -> Iterator[JobProgress]:
    """Render a job, reporting after every frame; a clip that breaks, or is stopped, leaves the frames before.

    Raises:
        NoFaceFoundError: if no frame of the source shows a face.
        ValueError: if nothing can be rendered.
    """
    started = time.perf_counter()
    yield JobProgress("rendering", 0, job.total, 0.0)
    panels = ScenePanels(job.size, job.shown_drivers())
    before = (scaled(frame, job.size) for frame in job.source)

    def compose(frame: SceneFrame) -> Composed:
        return Composed(frame.image, panels(next(before), frame.image), frame.found)

    videos = VideoPair(job.folder, job.source.frame_rate, job.heard, job.source)
    begun = JobProgress("rendering", 0, job.total, time.perf_counter() - started, faceless=FACELESS)
    last = yield from write_frames(job, reports(partial(_stream, model, job)), compose, videos, begun)
    if last.done:
        steps = model.source_frame_steps(job.sampling)
        model.costs.learn_source_frames(last.rendering_seconds, last.done * job.face_count, steps, job.moves_heads)
    clips = (job.source, *job.driving_clips)
    yield finished(last, videos, tuple(problem for clip in clips for problem in clip.problems))


def _stream(model: SharedModel, job: ClipJob, report: Report) -> None:
    for frame in islice(model.in_turns(_frames(model, job)), job.frames):
        report(frame)


def _frames(model: SharedModel, job: ClipJob) -> Iterator[SceneFrame]:
    """All frames; a generator, so that the driver's first frames are read in a turn, too."""
    yield from job.changed(model, _watched(model, job))


def _watched(model: SharedModel, job: ClipJob) -> Iterator[Tensor]:
    """The source's frames at the output's size; others get their turn in between, as a face may be long in coming."""
    for frame in job.source:
        job.check_stopped()
        model.give_way()
        yield scaled(frame, job.size)
