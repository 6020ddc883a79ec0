"""`diffusionact reenact` where the source is a clip: each of its frames takes the driver's expression, or less."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from ..checks import check_choice
from ..face.pose.editing import PoseMix
from ..generation import Sampling
from ..motion import Timeline, load_script
from ..pipelines import DiffusionActPipeline
from ..pipelines.source_video import (
    ENDS,
    FrameDriver,
    FrameEdit,
    added_steps,
    face_driver,
    motion_driver,
    no_driver,
    stream_source_video,
)
from ..video import FrameSource, VideoWriter, open_frames
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
    source = open_frames(
        options.source,
        options.source_start,
        options.source_end,
        options.frame_rate,
        keep_damaged=True,
        stride=options.stride,
    )
    driving = None
    if options.driving is not None:
        driving = open_frames(options.driving, options.start, options.end, source.frame_rate, keep_damaged=True)
    pipeline, sampling = load_pipeline(options), Sampling(options.steps, options.scheduler)
    pipeline.engine.check_sampling(sampling)
    driver = _driver(options, pipeline, source, driving, mix)
    if pipeline.engine.encode_steps(options.inversion_steps):
        steps = added_steps(pipeline, options.inversion_steps, sampling)
        logger.info("Every frame is encoded anew: %d steps for each of %s frames", steps, source.frame_count or "many")
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
    )
    _write(options, source, driving, mix, frames)


def _driver(
    options: argparse.Namespace,
    pipeline: DiffusionActPipeline,
    source: FrameSource,
    driving: FrameSource | None,
    mix: PoseMix,
) -> FrameDriver:
    """Who says what becomes of each frame."""
    rate = float(source.frame_rate)
    if options.motion is not None:
        script = load_script(options.motion).seeded(options.seed)
        seconds = options.seconds or max(float(source.duration), 1 / rate)
        timeline = Timeline.of(script, source.frame_rate, seconds, options.seamless)
        return motion_driver(pipeline.face_reader.face_model, timeline)
    if driving is None:
        return no_driver
    how = pose_options(options)
    seen = (frame.to(pipeline.face_device) for frame in driving)
    return face_driver(pipeline, pipeline.face_reader.read(seen, how, rate), how, mix, options.driver_end)


def _write(
    options: argparse.Namespace,
    source: FrameSource,
    driving: FrameSource | None,
    mix: PoseMix,
    frames: Iterator,
) -> None:
    started, count, without_face = time.perf_counter(), 0, 0
    path, begin = _sound(options, source, driving, mix)
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
    logger.info("%d frames in %.1f s (%.2f s a frame), written to %s", count, seconds, seconds / count, options.output)


def _sound(
    options: argparse.Namespace, source: FrameSource, driving: FrameSource | None, mix: PoseMix
) -> tuple[Path | None, object]:
    """The file whose sound is taken, and where in it the output begins."""
    has_driver = driving is not None and driving.has_audio
    takes_driver = options.sound == "driver" or (options.sound == "auto" and has_driver and mix.mouth > 0)
    if options.no_audio or not options.output.suffix:
        return None, None
    if takes_driver and has_driver:
        return options.driving, driving.begin
    return (options.source, source.begin) if source.has_audio and not takes_driver else (None, None)


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
