"""`diffusionact reenact --drive`: several faces of a photo, each with a driver of its own."""

from __future__ import annotations

import argparse
import itertools
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from .. import images
from ..face.pose.extraction import PoseExtractor
from ..face.readers.reader import CroppedFace
from ..generation import Sampling
from ..motion import Timeline, load_script, script_poses
from ..motion.files import PRESETS, SUFFIXES
from ..pipelines import DiffusionActPipeline
from ..pipelines.group_photo import GroupPhoto, face_at
from ..pipelines.source_video import extended
from ..types import FacePose, SourceCodes
from ..video import FrameSource, VideoWriter, open_frames
from .loading import load_pipeline, pose_options

logger = logging.getLogger(__name__)

ALL = "all"
STILL_FRAME_RATE = Fraction(25)
DEFAULT_SECONDS = 4.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The option of several faces."""
    group = parser.add_argument_group("several faces")
    group.add_argument(
        "--drive",
        action="append",
        metavar="FACE=WHAT",
        help="in place of DRIVING, once for each face: FACE is a number (0 is the largest), a point X,Y in the photo, "
        f"or {ALL}; WHAT a clip, or a motion as for --motion. Faces that are not named stay still",
    )


@dataclass(frozen=True)
class _Clip:
    """A driving clip and the poses that it gives any of the faces; it is read once, whoever it drives."""

    pipeline: DiffusionActPipeline
    options: argparse.Namespace
    frames: FrameSource

    def faces(self, copies: int) -> tuple[Iterator[CroppedFace], ...]:
        """What the clip shows, as often as it drives; copies that are asked in step keep nothing."""
        how = pose_options(self.options)
        seen = (frame.to(self.pipeline.face_device) for frame in self.frames)
        read = self.pipeline.face_reader.read(seen, how, float(self.frames.frame_rate))
        return itertools.tee(extended(read, self.options.driver_end), copies)

    def poses(self, faces: Iterator[CroppedFace], source: SourceCodes) -> Iterator[FacePose]:
        """Poses of one face, one row each."""
        reader = self.pipeline.face_reader
        how = pose_options(self.options)
        extractor = PoseExtractor(reader.face_model, reader.camera_frame, self.pipeline.landmark_frame, how)
        poses = extractor.stream(faces, source)
        while True:
            with torch.no_grad():  # not around a yield, where it would hold for whoever asks
                pose = next(poses, None)
            if pose is None:
                return
            yield pose


def run(options: argparse.Namespace) -> None:
    """Move the faces of `options.source` into `options.output`.

    Raises:
        ValueError: for unusable input or options.
        FileNotFoundError: for missing files or weights.
        OSError: if the output cannot be written.
    """
    _check(options)
    pipeline, photo = load_pipeline(options), images.load_image(options.source)
    wanted = _wanted(pipeline, photo, options.drive)
    sampling = Sampling(options.steps, options.scheduler)
    pipeline.engine.check_sampling(sampling)
    clips, rate, count = _open_clips(pipeline, options, wanted)
    group = GroupPhoto(pipeline, photo, list(wanted), options.inversion_steps)
    copies = {name: iter(clip.faces(list(wanted.values()).count(name))) for name, clip in clips.items()}
    poses = []
    for source, what in zip(group.sources, wanted.values(), strict=True):
        if what in clips:
            poses.append(clips[what].poses(next(copies[what]), source))
        else:
            timeline = Timeline.of(load_script(what).seeded(options.seed), rate, count / rate, options.seamless)
            poses.append(script_poses(pipeline.face_reader.face_model, source, timeline))
    frames = itertools.islice(group.stream(poses, sampling), count)
    _write(options, frames, rate, count, next(iter(clips.values()), None))


def _wanted(pipeline: DiffusionActPipeline, photo: Tensor, words: list[str]) -> dict[int, str]:
    """Index of each face that moves -> what drives it; the later word counts."""
    wanted: dict[int, str] = {}
    for word in words:
        face, separator, what = word.partition("=")
        if not separator or not what:
            raise ValueError(f"Expected --drive FACE=WHAT, such as 0=clip.mp4, received {word!r}. Correct it.")
        for index in _faces(pipeline, photo, face.strip()):
            wanted[index] = what
    return wanted


def _faces(pipeline: DiffusionActPipeline, photo: Tensor, word: str) -> list[int]:
    if word == ALL:
        return list(range(len(pipeline.face_reader.faces_in(photo.to(pipeline.face_device)))))
    if word.isdecimal():
        return [int(word)]
    try:
        x, y = map(float, word.split(","))
    except ValueError as error:
        raise ValueError(f"Expected a face as number, point X,Y or {ALL}, received {word!r}. Correct it.") from error
    return [face_at(pipeline, photo, x, y)]


def _is_motion(what: str) -> bool:
    return what in PRESETS or Path(what).suffix.lower() in SUFFIXES


def _open_clips(
    pipeline: DiffusionActPipeline, options: argparse.Namespace, wanted: dict[int, str]
) -> tuple[dict[str, _Clip], Fraction, int]:
    """The clips by name, and rate and number of frames of the output."""
    rate, opened = options.frame_rate, {}
    for what in dict.fromkeys(what for what in wanted.values() if not _is_motion(what)):
        frames = open_frames(what, options.start, options.end, rate, is_constant=True, keep_damaged=True)
        rate = frames.frame_rate  # the first clip's, of all
        opened[what] = _Clip(pipeline, options, frames)
    rate = rate or STILL_FRAME_RATE
    counts = [clip.frames.frame_count for clip in opened.values() if clip.frames.frame_count]
    if counts and options.seconds is None:
        return opened, rate, min(counts) if options.driver_end == "stop" else max(counts)
    longest = max((load_script(what).seconds for what in wanted.values() if _is_motion(what)), default=DEFAULT_SECONDS)
    return opened, rate, max(1, round((options.seconds or longest) * rate))


def _write(
    options: argparse.Namespace, frames: Iterator[Tensor], rate: Fraction, count: int, clip: _Clip | None
) -> None:
    started, done = time.perf_counter(), 0
    first = next(frames, None)
    if first is None:
        raise ValueError("Expected drivers with frames, received one with none. Check the files.")
    has_sound = clip is not None and clip.frames.has_audio and not options.no_audio and options.output.suffix
    audio, begin = (clip.frames.path, clip.frames.begin) if has_sound else (None, None)
    with VideoWriter(options.output, rate, tuple(first.shape[:2]), audio_from=audio, audio_begin=begin) as writer:
        for frame in tqdm(itertools.chain([first], frames), desc="Reenact", total=count, unit="frame"):
            writer.write(frame)
            done += 1
    seconds = time.perf_counter() - started
    logger.info("%d frames in %.1f s (%.2f s a frame), written to %s", done, seconds, seconds / done, options.output)


def _check(options: argparse.Namespace) -> None:
    alone = ("driving", "motion", "side_by_side", "exact", "output_size", "report", "save_poses")
    wrong = ["--" + name.replace("_", "-") for name in alone if getattr(options, name)]
    if wrong or options.output.suffix == ".png":
        raise ValueError(
            f"Expected --drive with a video or a folder as output, received also {', '.join(wrong) or options.output}. "
            "Leave it out: the whole photo is written, at its own size."
        )
