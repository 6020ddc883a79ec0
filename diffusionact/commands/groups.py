"""`diffusionact reenact --drive`: several faces of a photo, each with a driver of its own."""

from __future__ import annotations

import argparse
import itertools
import logging
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from .. import images
from ..generation import Sampling
from ..motion import load_script
from ..motion.files import PRESETS, SUFFIXES
from ..pipelines.group_clip import OWN
from ..pipelines.group_drivers import ALL, GroupTiming, group_poses, wanted_faces
from ..pipelines.group_photo import GroupPhoto
from ..video import FrameSource, VideoWriter, open_frames
from .loading import load_pipeline, pose_options
from .output_frames import is_transparent

logger = logging.getLogger(__name__)

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
        f"or {ALL}; WHAT a clip, or a motion as for --motion. Faces that are not named stay as they are. Of a "
        f"clip as SOURCE its first frame counts, and WHAT may be {OWN}: only --eye-contact and so on change a face",
    )


def run(options: argparse.Namespace) -> None:
    """Move the faces of `options.source` into `options.output`.

    Raises:
        ValueError: for unusable input or options.
        FileNotFoundError: for missing files or weights.
        OSError: if the output cannot be written.
    """
    check_options(options)
    if options.still_when_silent:
        raise ValueError("Expected --still-when-silent with a clip as the source, received a photo. Leave it out.")
    pipeline, photo = load_pipeline(options), images.load_image(options.source)
    wanted = wanted_faces(pipeline, photo, options.drive)
    sampling = Sampling(options.steps, options.scheduler)
    pipeline.engine.check_sampling(sampling)
    clips, timing = _open_clips(options, wanted)
    group = GroupPhoto(pipeline, photo, list(wanted), options.inversion_steps)
    poses = group_poses(pipeline, group.sources, wanted.values(), clips, pose_options(options), timing)
    frames = itertools.islice(group.stream(poses, sampling), timing.frame_count)
    _write(options, frames, timing, next(iter(clips.values()), None))


def is_motion(what: str) -> bool:
    """Whether WHAT is a motion, and no clip."""
    return what in PRESETS or Path(what).suffix.lower() in SUFFIXES


def _open_clips(options: argparse.Namespace, wanted: dict[int, str]) -> tuple[dict[str, FrameSource], GroupTiming]:
    """The clips by name, and how they play together."""
    rate, stride, opened = options.frame_rate, options.stride, {}
    for what in dict.fromkeys(what for what in wanted.values() if not is_motion(what)):
        opened[what] = open_frames(
            what, options.start, options.end, rate, is_constant=True, keep_damaged=True, stride=stride
        )
        rate, stride = opened[what].frame_rate, 1  # the first clip's, of all
    rate = rate or STILL_FRAME_RATE
    counts = [clip.frame_count for clip in opened.values() if clip.frame_count]
    longest = max((load_script(what).seconds for what in wanted.values() if is_motion(what)), default=DEFAULT_SECONDS)
    count = max(1, round((options.seconds or longest) * rate))
    if counts and options.seconds is None:
        count = min(counts) if options.driver_end == "stop" else max(counts)
    return opened, GroupTiming(rate, count, options.driver_end, options.seed, options.seamless)


def _write(
    options: argparse.Namespace, frames: Iterator[Tensor], timing: GroupTiming, clip: FrameSource | None
) -> None:
    started, done = time.perf_counter(), 0
    first = next(frames, None)
    if first is None:
        raise ValueError("Expected drivers with frames, received one with none. Check the files.")
    has_sound = clip is not None and clip.has_audio and not options.no_audio and options.output.suffix
    audio, begin = (clip.path, clip.begin) if has_sound else (None, None)
    with VideoWriter(
        options.output, timing.frame_rate, tuple(first.shape[:2]), audio_from=audio, audio_begin=begin
    ) as writer:
        for frame in tqdm(itertools.chain([first], frames), desc="Reenact", total=timing.frame_count, unit="frame"):
            writer.write(frame)
            done += 1
    seconds = time.perf_counter() - started
    logger.info("%d frames in %.1f s (%.2f s per frame), written to %s", done, seconds, seconds / done, options.output)


def check_options(options: argparse.Namespace) -> None:
    """Raise ValueError for options that do not go with --drive."""
    alone = (
        "driving",
        "motion",
        "side_by_side",
        "exact",
        "output_size",
        "report",
        "save_poses",
        "matte",
        "source_crop",
    )
    wrong = ["--" + name.replace("_", "-") for name in alone if getattr(options, name)]
    wrong += ["--background transparent"] if is_transparent(options) else []
    if wrong or options.output.suffix == ".png":
        raise ValueError(
            f"Expected --drive with a video or a folder as output, received also {', '.join(wrong) or options.output}. "
            "Leave it out: the whole photo is written, at its own size."
        )
