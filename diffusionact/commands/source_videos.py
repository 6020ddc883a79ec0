"""`diffusionact reenact` where the source is a clip: each of its frames takes the driver's expression, or less."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from ..checks import check_choice
from ..face.pose.editing import PoseMix
from ..generation import Sampling
from ..motion import Timeline, load_script
from ..motion.script import MIN_SECONDS
from ..pipelines import DiffusionActPipeline
from ..pipelines.source_video import (
    ENDS,
    FrameDriver,
    FrameEdit,
    SceneFrame,
    added_steps,
    face_driver,
    motion_driver,
    no_driver,
    stream_source_video,
)
from ..video import FrameSource, VideoWriter, open_frames
from ..video.silence import SilenceLevel, frame_times, stillness_at
from .loading import face_choice, load_pipeline, pose_options
from .output_frames import KEPT

logger = logging.getLogger(__name__)

# What --take names -> shares of the driver.
PARTS: dict[str, dict[str, float]] = {
    "expression": {"mouth": 1.0, "eyes": 1.0, "brows": 1.0, "gaze": 1.0},
    "lips": {"mouth": 1.0},
    "eyes": {"eyes": 1.0},
    "brows": {"brows": 1.0},
    "gaze": {"gaze": 1.0},
    "head": {"head": 1.0},
}
SOUNDS = ("auto", "source", "driver")
# Options that speak of one photo, with their values where nobody gave them.
OF_PHOTOS = {"side_by_side": False, "exact": False, "output_size": None, "report": None, "match_colour": False}
OF_PHOTOS |= {"background": KEPT, "matte": None, "source_crop": None}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of clips as sources."""
    group = parser.add_argument_group("a clip as the source")
    group.add_argument(
        "--take",
        default="expression",
        metavar="PARTS",
        help=f"what the source's frames take of the driver, with commas: {', '.join(PARTS)} (default: %(default)s)",
    )
    group.add_argument("--driver-end", default="stop", choices=ENDS, help="where the driver is shorter")
    group.add_argument("--source-start", type=float, default=0.0, help="seconds of the source to leave out before")
    group.add_argument("--source-end", type=float, help="second of the source to end at")
    group.add_argument(
        "--sound", default="auto", choices=SOUNDS, help="whose; auto: the driver's where it moves the lips"
    )
    group.add_argument("--eye-contact", type=float, default=0.0, help="0 to 1: the eyes turn to the camera")
    group.add_argument("--blink", type=float, default=1.0, help="factor on how closed the eyes are, 0 to 2")
    group.add_argument("--mouth", type=float, default=1.0, help="factor on the mouth's expression; 0 is still")
    group.add_argument(
        "--still-when-silent",
        action="store_true",
        help="the mouth rests in silent passages of the sound that goes along",
    )
    group.add_argument(
        "--silence-level",
        type=float,
        default=SilenceLevel.level_db,
        help="dB of full scale below which sound is silent (default: %(default)s)",
    )


def taken_parts(words: str) -> PoseMix:
    """What --take says.

    Raises:
        ValueError: if it names something else.
    """
    shares: dict[str, float] = {}
    for word in words.split(","):
        check_choice("--take", word.strip(), PARTS)
        shares |= PARTS[word.strip()]
    return PoseMix(**shares)


def run(options: argparse.Namespace) -> None:
    """Reenact the clip `options.source` into `options.output`.

    Raises:
        ValueError: for unusable input or options.
        FileNotFoundError: for missing files or weights.
        OSError: if the output cannot be written.
    """
    _check(options)
    edit, mix = FrameEdit(options.eye_contact, options.blink, options.mouth), taken_parts(options.take)
    source = open_source(options)
    driving = None
    if options.driving is not None:
        driving = open_frames(options.driving, options.start, options.end, source.frame_rate, keep_damaged=True)
    sound = ClipSound.of(options, source, driving, mix)
    pipeline, sampling = load_pipeline(options), Sampling(options.steps, options.scheduler)
    pipeline.engine.check_sampling(sampling)
    if options.motion is not None:
        driver = driver_of_motion(options, pipeline, source, options.motion)
    else:
        driver = no_driver() if driving is None else driver_of_clip(options, pipeline, source, driving, mix)
    tell_cost(options, pipeline, source, sampling)
    frames = stream_source_video(
        pipeline,
        source,
        driver,
        replace(pose_options(options), face=face_choice(options.source_face)),
        float(source.frame_rate),
        edit,
        sampling,
        options.inversion_steps,
        keeps_head=options.motion is None and not (driving and mix.head),
        stillness=sound.stillness(options, source),
    )
    write_clip(options, source, sound, frames)


def open_source(options: argparse.Namespace) -> FrameSource:
    """The clip whose frames are sources."""
    part = options.source_start, options.source_end, options.frame_rate
    return open_frames(options.source, *part, keep_damaged=True, stride=options.stride)


def driver_of_motion(
    options: argparse.Namespace, pipeline: DiffusionActPipeline, source: FrameSource, motion: str
) -> FrameDriver:
    """A motion as long as the source, or as asked for."""
    rate = float(source.frame_rate)
    seconds = options.seconds or max(float(source.duration), 1 / rate, MIN_SECONDS)
    script = load_script(motion).seeded(options.seed)
    timeline = Timeline.of(script, source.frame_rate, seconds, options.seamless)
    return motion_driver(pipeline.face_reader.face_model, timeline)


def driver_of_clip(
    options: argparse.Namespace,
    pipeline: DiffusionActPipeline,
    source: FrameSource,
    driving: FrameSource,
    mix: PoseMix,
) -> FrameDriver:
    """A clip, opened at the source's rate."""
    how = pose_options(options)
    seen = (frame.to(pipeline.face_device) for frame in driving)
    faces = pipeline.face_reader.read(seen, how, float(source.frame_rate))
    return face_driver(pipeline, faces, how, mix, options.driver_end)


def tell_cost(
    options: argparse.Namespace, pipeline: DiffusionActPipeline, source: FrameSource, sampling: Sampling
) -> None:
    """Say what an engine costs that encodes every frame."""
    if pipeline.engine.encode_steps(options.inversion_steps):
        steps = added_steps(pipeline, options.inversion_steps, sampling)
        logger.info("Every face is encoded anew: %d steps for each of %s frames", steps, source.frame_count or "many")


def write_clip(
    options: argparse.Namespace, source: FrameSource, sound: ClipSound, frames: Iterator[SceneFrame]
) -> None:
    """Write whole frames with the sound that goes along, and say what came of them."""
    started, count, without_face = time.perf_counter(), 0, 0
    heard = not options.no_audio and options.output.suffix
    path, begin = (sound.path, sound.begin) if heard else (None, None)
    with VideoWriter(
        options.output, source.frame_rate, source.size, audio_from=path, clip=source, audio_begin=begin
    ) as writer:
        for frame in tqdm(frames, desc="Reenact", total=source.frame_count, unit="frame"):
            image: Tensor = frame.image
            writer.write(image)
            count, without_face = count + 1, without_face + int(not frame.found)
    if without_face:
        logger.info("%d of %d frames of the source showed no face; they stay as they were", without_face, count)
    seconds = time.perf_counter() - started
    per_frame = seconds / count
    logger.info("%d frames in %.1f s (%.2f s per frame), written to %s", count, seconds, per_frame, options.output)


@dataclass(frozen=True)
class ClipSound:
    """The file whose sound goes along, and where in it the output begins; None where none does."""

    path: Path | None = None
    begin: Fraction | None = None

    @classmethod
    def of(
        cls, options: argparse.Namespace, source: FrameSource, driving: FrameSource | None, mix: PoseMix
    ) -> ClipSound:
        """What --sound says; auto is the driver's where its lips are taken."""
        has_driver = driving is not None and driving.has_audio
        takes_driver = options.sound == "driver" or (options.sound == "auto" and has_driver and mix.mouth > 0)
        if takes_driver and has_driver:
            return cls(driving.path, driving.begin)
        return cls(source.path, source.begin) if source.has_audio and not takes_driver else cls()

    def stillness(self, options: argparse.Namespace, source: FrameSource) -> Iterator[float] | None:
        """How still the mouth is in each frame of the source, which must have been read; None without the option.

        Raises:
            ValueError: if there is no sound, or the level is out of range.
        """
        if not options.still_when_silent:
            return None
        level = SilenceLevel(options.silence_level)
        if self.path is None:
            raise ValueError(
                "Expected a clip with sound for --still-when-silent, received none whose sound goes along. Choose it "
                "by --sound, or leave the option out; --mouth 0 is a still mouth throughout."
            )
        return stillness_at(frame_times(source), self.path, self.begin, level)


def _check(options: argparse.Namespace) -> None:
    wrong = [name for name, default in OF_PHOTOS.items() if getattr(options, name) != default]
    wrong += ["save_poses"] if options.save_poses else []
    if wrong or options.output.suffix == ".png":
        words = ", ".join("--" + name.replace("_", "-") for name in wrong) or str(options.output)
        raise ValueError(
            f"Expected a video or a folder as output of a clip, without what is for a photo, received {words}. "
            "The whole frame is written at its own size."
        )
    if options.driving is not None and options.motion is not None:
        raise ValueError("Expected a driving clip or --motion, received both. Leave one out.")
