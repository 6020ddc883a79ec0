"""A VIDEO as the source: who drives which of its faces, the stream of changed frames, and whose sound goes along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count

from comfy_api.latest import Input
from torch import Tensor

from ...diffusionact import PoseOptions
from ...diffusionact.face.pose.editing import PoseMix
from ...diffusionact.face.readers.reader import FaceReader
from ...diffusionact.generation import Sampling
from ...diffusionact.motion import Timeline, load_script
from ...diffusionact.pipelines import DiffusionActPipeline
from ...diffusionact.pipelines.group_clip import OWN, ClipCast, stream_group_clip
from ...diffusionact.pipelines.source_video import (
    FrameDriver,
    FrameEdit,
    SceneFrame,
    face_driver,
    motion_driver,
    no_driver,
    stream_source_video,
)
from ...diffusionact.video.silence import SilenceLevel, stillness_at
from .model_management import LoadedModel
from .progress import NodeProgress, check_interrupted
from .video import DrivingClip, open_driving

PARTS = {
    "lips": "the mouth, jaw, cheeks and nose",
    "eyes": "the eyelids",
    "brows": "the brows",
    "gaze": "the gaze",
    "head": "the head's turn",
}
SOUNDS = ("auto", "clip", "driver", "none")
NO_MOTION = "none"
DRIVERS = ("driving", "driving_2", "driving_3")


@dataclass(frozen=True)
class ClipChanges:
    """The inputs of Reenact Clip that say what changes, by their names."""

    take_lips: bool
    take_eyes: bool
    take_brows: bool
    take_gaze: bool
    take_head: bool
    relative_motion: bool
    driver_end: str
    eye_contact: float
    blink: float
    mouth: float
    smoothing: float
    still_when_silent: bool = False
    silence_level: float = SilenceLevel.level_db

    @property
    def mix(self) -> PoseMix:
        """What is taken of the driver."""
        taken = (self.take_head, self.take_gaze, self.take_brows, self.take_eyes, self.take_lips)
        return PoseMix(*map(float, taken))

    @property
    def edit(self) -> FrameEdit:
        """What is changed after the driver."""
        return FrameEdit(self.eye_contact, self.blink, self.mouth)


@dataclass(frozen=True)
class ClipPlan:
    """What happens in a clip.

    Attributes:
        clip: its frames are changed.
        drivers: the connected driving clips by name, at the clip's rate; of one face `driving` alone.
        motion: what moves the face where no clip drives; NO_MOTION for nothing.
        faces: FACE=WHAT of several faces; empty for the largest one, which `driving` or `motion` moves.
        changes: what is taken and changed.
        sound: whose, one of SOUNDS.
    """

    clip: DrivingClip
    drivers: Mapping[str, DrivingClip]
    motion: str
    faces: tuple[str, ...]
    changes: ClipChanges
    sound: str

    @classmethod
    def of(
        cls,
        clip: Input.Video,
        videos: Mapping[str, Input.Video | None],
        motion: str,
        faces: str,
        changes: ClipChanges,
        sound: str,
    ) -> ClipPlan:
        """From the node's inputs."""
        opened = open_driving(clip)
        words = tuple(line.strip() for line in faces.splitlines() if line.strip())
        drivers = {
            name: open_driving(videos[name], constant_rate=opened.frame_rate)
            for name in (DRIVERS if words else DRIVERS[:1])  # one face has one driver, whose sound goes along
            if videos.get(name) is not None
        }
        return cls(opened, drivers, motion, words, changes, sound)

    @property
    def heard(self) -> DrivingClip:
        """The clip with the sound that was chosen."""
        driver = next(iter(self.drivers.values()), None)
        takes_driver = self.sound == "driver" or (
            self.sound == "auto" and driver is not None and self.changes.take_lips
        )
        if self.sound == "none" or (takes_driver and driver is None):
            return replace(self.clip, file=None, in_memory=None)
        has_sound = takes_driver and (driver.file or driver.in_memory or self.sound == "driver")
        return replace(self.clip, file=driver.file, in_memory=driver.in_memory) if has_sound else self.clip

    def stillness(self) -> Iterator[float] | None:
        """How still the mouth is in each frame; None without the choice.

        Raises:
            ValueError: if there is no sound to go by.
        """
        if not self.changes.still_when_silent:
            return None
        path = self.heard.sound_file()
        if path is None:
            raise ValueError("Expected a clip with sound for still_when_silent, received none. Choose another sound.")
        times = (index / self.clip.frame_rate for index in count())
        return stillness_at(times, path, None, SilenceLevel(self.changes.silence_level))


def reenacted_clip(model: LoadedModel, reader: FaceReader, plan: ClipPlan, sampling: Sampling) -> Iterator[Tensor]:
    """Yield the whole frames uint8 (H, W, 3) of a clip; nothing grows with its length.

    Raises:
        NoFaceFoundError: if no frame shows a face that moves.
        ValueError: if a line of `faces` is none.
        FileNotFoundError: if one names what is neither a connected clip nor a motion.
    """
    pipeline, progress = model.pipeline.with_face_reader(reader), NodeProgress(plan.clip.frame_count)
    model.load(1)
    frames = _changed_group(pipeline, plan, sampling) if plan.faces else _changed_face(pipeline, plan, sampling)
    for done, frame in enumerate(frames, 1):
        check_interrupted()
        progress.advance_to(done)
        yield frame.image


def _changed_face(pipeline: DiffusionActPipeline, plan: ClipPlan, sampling: Sampling) -> Iterator[SceneFrame]:
    name = DRIVERS[0] if DRIVERS[0] in plan.drivers else OWN if plan.motion == NO_MOTION else plan.motion
    drive, options = _driver(pipeline, plan, name), PoseOptions(smoothing=plan.changes.smoothing)
    return stream_source_video(
        pipeline,
        plan.clip.frames,
        drive,
        options,
        float(plan.clip.frame_rate),
        plan.changes.edit,
        sampling,
        keeps_head=not _moves_head(plan, name),
        stillness=plan.stillness(),
    )


def _changed_group(pipeline: DiffusionActPipeline, plan: ClipPlan, sampling: Sampling) -> Iterator[SceneFrame]:
    cast = ClipCast.of(pipeline, next(iter(plan.clip.frames)), plan.faces)
    return stream_group_clip(
        pipeline,
        plan.clip.frames,
        cast,
        {name: _driver(pipeline, plan, name) for name in cast.drivers},
        PoseOptions(smoothing=plan.changes.smoothing),
        float(plan.clip.frame_rate),
        plan.changes.edit,
        sampling,
        keeps_head=not any(_moves_head(plan, name) for name in cast.drivers),
        stillness=plan.stillness(),
    )


def _moves_head(plan: ClipPlan, name: str) -> bool:
    return plan.changes.take_head if name in plan.drivers else name != OWN


def _driver(pipeline: DiffusionActPipeline, plan: ClipPlan, name: str) -> FrameDriver:
    """A connected clip, a motion, or OWN."""
    rate, changes = float(plan.clip.frame_rate), plan.changes
    if name in plan.drivers:
        how = PoseOptions(relative=changes.relative_motion, smoothing=changes.smoothing)
        seen = (frame.to(pipeline.face_device) for frame in plan.drivers[name].frames)
        faces = pipeline.face_reader.read(seen, how, rate)
        return face_driver(pipeline, faces, how, changes.mix, changes.driver_end)
    if name == OWN:
        return no_driver()
    timeline = Timeline.of(load_script(name), plan.clip.frame_rate, max(plan.clip.frame_count / rate, 0.1))
    return motion_driver(pipeline.face_reader.face_model, timeline)
