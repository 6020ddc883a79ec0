"""A VIDEO as the source: what its frames take of a driver, the stream of changed frames, and whose sound goes along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from ...diffusionact import PoseOptions
from ...diffusionact.face.pose.editing import PoseMix
from ...diffusionact.face.readers.reader import FaceReader
from ...diffusionact.generation import Sampling
from ...diffusionact.motion import Timeline, load_script
from ...diffusionact.pipelines import DiffusionActPipeline
from ...diffusionact.pipelines.source_video import (
    FrameDriver,
    FrameEdit,
    face_driver,
    motion_driver,
    no_driver,
    stream_source_video,
)
from .model_management import LoadedModel
from .progress import NodeProgress, check_interrupted
from .video import DrivingClip

PARTS = {
    "lips": "the mouth, jaw, cheeks and nose",
    "eyes": "the eyelids",
    "brows": "the brows",
    "gaze": "the gaze",
    "head": "the head's turn",
}
SOUNDS = ("auto", "clip", "driver", "none")
NO_MOTION = "none"


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

    @property
    def mix(self) -> PoseMix:
        """What is taken of the driver."""
        taken = (self.take_head, self.take_gaze, self.take_brows, self.take_eyes, self.take_lips)
        return PoseMix(*map(float, taken))

    @property
    def edit(self) -> FrameEdit:
        """What is changed after the driver."""
        return FrameEdit(self.eye_contact, self.blink, self.mouth)


def reenacted_clip(
    model: LoadedModel,
    reader: FaceReader,
    clip: DrivingClip,
    driver: DrivingClip | None,
    motion: str,
    changes: ClipChanges,
    sampling: Sampling,
) -> Iterator[Tensor]:
    """Yield the whole frames uint8 (H, W, 3) of a clip; nothing grows with its length.

    Raises:
        NoFaceFoundError: if no frame shows a face.
    """
    pipeline = model.pipeline.with_face_reader(reader)
    drive = _driver(pipeline, clip, driver, motion, changes)
    progress = NodeProgress(clip.frame_count)
    model.load(1)
    options, rate = PoseOptions(smoothing=changes.smoothing), float(clip.frame_rate)
    keeps_head = not changes.take_head if driver else motion == NO_MOTION
    frames = stream_source_video(
        pipeline, clip.frames, drive, options, rate, changes.edit, sampling, keeps_head=keeps_head
    )
    for done, frame in enumerate(frames, 1):
        check_interrupted()
        progress.advance_to(done)
        yield frame.image


def sounding(clip: DrivingClip, driver: DrivingClip | None, sound: str, changes: ClipChanges) -> DrivingClip:
    """The clip with the sound that was chosen."""
    takes_driver = sound == "driver" or (sound == "auto" and driver is not None and changes.take_lips)
    if sound == "none" or (takes_driver and driver is None):
        return replace(clip, file=None, in_memory=None)
    has_sound = takes_driver and (driver.file or driver.in_memory or sound == "driver")
    return replace(clip, file=driver.file, in_memory=driver.in_memory) if has_sound else clip


def _driver(
    pipeline: DiffusionActPipeline,
    clip: DrivingClip,
    driver: DrivingClip | None,
    motion: str,
    changes: ClipChanges,
) -> FrameDriver:
    rate = float(clip.frame_rate)
    if driver is not None:
        how = PoseOptions(relative=changes.relative_motion, smoothing=changes.smoothing)
        seen = (frame.to(pipeline.face_device) for frame in driver.frames)
        faces = pipeline.face_reader.read(seen, how, rate)
        return face_driver(pipeline, faces, how, changes.mix, changes.driver_end)
    if motion == NO_MOTION:
        return no_driver()
    timeline = Timeline.of(load_script(motion), clip.frame_rate, max(clip.frame_count / rate, 0.1))
    return motion_driver(pipeline.face_reader.face_model, timeline)
