"""`diffusionact reenact` and `diffusionact demo`: source and driver or motion in, video out, frame by frame."""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor
from tqdm import tqdm

from .. import images
from ..checks import check_in_range
from ..generation import Sampling
from ..pipelines import DiffusionActPipeline, ReenactedFrame
from ..pipelines.full_resolution import check_pipeline
from ..types import SourceCodes
from ..video import FrameSource, VideoWriter, is_clip, open_frames
from . import group_clips, groups, motions, source_videos
from .loading import inversion_progress, load_pipeline, load_source, pose_options, prepare_output, source_crop
from .motions import MotionDriver, stream_motion
from .official_options import official_procedure, settle_official_options
from .option_groups import add_reenactment_options
from .output_frames import (
    OPAQUE_SUFFIXES,
    OutputFrames,
    check_cutting,
    check_output_options,
    is_transparent,
    output_size,
    output_suffixes,
    wants_alpha,
)

if TYPE_CHECKING:
    from .reenactment_report import ReenactmentReport

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("source", type=Path, help="source image or clip, or a source saved by `diffusionact encode`")
    parser.add_argument(
        "driving", type=Path, nargs="?", help="video, animated image, folder of frames, or one image; see also --motion"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="OUT.mp4, .mov, .mkv, .png, or a folder; see also --background"
    )
    motions.add_arguments(parser)
    source_videos.add_arguments(parser)
    groups.add_arguments(parser)
    add_reenactment_options(parser)
    parser.add_argument("--exact", action="store_true", help="as in the official code; needs the authors' files")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Reenact `options.source` with `options.driving` into `options.output`.

    Raises:
        ValueError: for unusable input or options.
        FileNotFoundError: for missing files or weights.
        OSError: if the output cannot be written.
    """
    if options.drive or is_clip(options.source):
        _check_paths(options)
        scene = source_videos if not options.drive else group_clips if is_clip(options.source) else groups
        scene.run(options)
        return
    check(options)
    if options.exact:
        settle_official_options(options)
    if options.motion is not None:
        driving = MotionDriver(options)
    else:
        driving = open_driving(options)
        _check_single_image(options, driving)
    pipeline = load_pipeline(options)
    begin = _begin_exact if options.exact else _begin
    output, frames = begin(options, pipeline, driving)
    started = time.perf_counter()
    counter = _FrameCounter()
    report = _report(pipeline, output.source) if options.report else None
    stream = output.finish(counter.watch(frames), driving, report)
    write_frames(options, driving, stream)
    seconds = time.perf_counter() - started - (report.seconds if report else 0.0)
    per_frame = seconds / counter.frames
    count, without_face = counter.frames, counter.without_face
    if without_face:
        filled = f"their poses are filled in (--missing {options.missing})"
        logger.info("%d of %d driving frames showed no face; %s", without_face, count, filled)
    logger.info("%d frames in %.1f s (%.2f s per frame), written to %s", count, seconds, per_frame, options.output)
    if report is not None:
        figures = report.figures(per_frame)
        logger.info("%s", json.dumps(figures, indent=2))
        with images.written_under_temporary_name(options.report) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n")


def _report(pipeline: DiffusionActPipeline, source: SourceCodes) -> ReenactmentReport:
    from .reenactment_report import ReenactmentReport  # the networks that judge, which only reports need

    return ReenactmentReport(pipeline, source)


def open_driving(options: argparse.Namespace) -> FrameSource:
    """The driving frames; a folder of images has no time stamps, so that uneven ones become even for it."""
    part = options.start, options.end, options.frame_rate
    is_folder = not options.output.suffix
    driving = open_frames(options.driving, *part, is_constant=is_folder, keep_damaged=True, stride=options.stride)
    if is_folder and driving.frame_count != 1:
        logger.info("The images follow each other at %s frames per second", driving.frame_rate)
    return driving


def _begin(
    options: argparse.Namespace, pipeline: DiffusionActPipeline, driving: FrameSource | MotionDriver
) -> tuple[OutputFrames, Iterator[ReenactedFrame]]:
    """What finishes the frames, and the frames to come."""
    how, rate = pose_options(options), float(driving.frame_rate)
    check_engine(options, pipeline)
    source, image, alpha = load_source(pipeline, options.source, options, is_transparent(options))
    output = OutputFrames(options, pipeline, source, image, alpha)
    if isinstance(driving, MotionDriver):
        return output, stream_motion(options, output.pipeline, source, driving)
    chunk_size = output.chunk_size(options.chunk_size)
    frames = output.pipeline.stream(source, driving, how, rate, options.steps, options.scheduler, chunk_size)
    return output, frames


def check_engine(options: argparse.Namespace, pipeline: DiffusionActPipeline) -> None:
    """See that the engine can do what is asked for, before the source is encoded.

    Raises:
        ValueError: if it cannot.
    """
    pipeline.engine.check_sampling(Sampling(options.steps, options.scheduler))
    if options.output_size is not None:
        check_pipeline(pipeline, output_size(options.output_size))
    if wants_alpha(options):
        check_cutting(pipeline)


def _begin_exact(
    options: argparse.Namespace, pipeline: DiffusionActPipeline, driving: FrameSource
) -> tuple[OutputFrames, Iterator[ReenactedFrame]]:
    """As `_begin`, by the official procedure."""
    exact = official_procedure(pipeline)
    pipeline.engine.check_sampling(Sampling(options.steps))
    image = images.load_image(options.source)
    with inversion_progress() as on_step:
        source = exact.encode_source(image, options.inversion_steps, on_step)
    return OutputFrames(options, pipeline, source, image), exact.stream(source, driving, options.steps)


class _FrameCounter:
    """Counts the frames that pass, and those in which the driving face was not seen."""

    def __init__(self) -> None:
        self.frames = 0
        self.without_face = 0

    def watch(self, stream: Iterator[ReenactedFrame]) -> Iterator[ReenactedFrame]:
        for frame in stream:
            self.frames += 1
            self.without_face += int(not frame.pose.found)
            yield frame


def check(options: argparse.Namespace) -> None:
    """See that the options of a photo's reenactment go together, and that the output can be written.

    Raises:
        ValueError: if they do not.
        OSError: if it cannot.
    """
    _check_driver(options)
    _check_paths(options)
    if options.report:
        prepare_output(options.report, (".json",), overwrite=options.overwrite)
    pose_options(options)  # its values are checked where it is made
    source_crop(options)
    check_in_range("--chunk-size", options.chunk_size, 1, 4096)
    check_in_range("--threshold", options.threshold, 0.0, 1.0)
    if options.steps is not None:
        # The solvers of diffusers need one timestep more than they take steps.
        check_in_range("--steps", options.steps, 1, 1000 if options.scheduler == "ddim" else 999)
    if options.inversion_steps is not None:
        check_in_range("--inversion-steps", options.inversion_steps, 1, 1000)
    check_output_options(options)


def _check_paths(options: argparse.Namespace) -> None:
    inputs = [path for path in (options.source, options.driving) if path is not None]
    prepare_output(options.output, output_suffixes(options), inputs, options.overwrite)
    if options.matte:
        prepare_output(options.matte, OPAQUE_SUFFIXES, (*inputs, options.output), options.overwrite)
        if (options.matte.suffix == ".png") != (options.output.suffix == ".png") or options.matte == options.output:
            raise ValueError(
                f"Expected a matte beside the output {str(options.output)!r}, both images or both no images, received "
                f"{str(options.matte)!r}. Give it a name such as matte{options.output.suffix}."
            )
    if options.save_poses:
        prepare_output(options.save_poses, (".safetensors",), inputs, options.overwrite)


def _check_driver(options: argparse.Namespace) -> None:
    """See that there is either a driving clip or a motion, and what only one of them knows."""
    if options.still_when_silent:
        raise ValueError(
            f"Expected --still-when-silent with a clip as the source, received {options.source}. Leave it out."
        )
    if (options.driving is None) == (options.motion is None):
        received = "neither" if options.driving is None else "both"
        raise ValueError(
            f"Expected a driving clip or --motion, received {received}. Give DRIVING, or --motion idle to begin with."
        )
    if options.motion is not None and options.stride != 1:
        raise ValueError(
            f"Expected --stride beside a driving clip, received {options.stride} beside --motion. Use --frame-rate."
        )
    if options.motion is None and (options.seconds or options.seamless or options.seed or options.save_poses):
        raise ValueError(
            "Expected --seconds, --seamless, --seed and --save-poses beside --motion, received them with a driving "
            "clip. Leave them out; --end cuts a clip."
        )
    if options.motion is not None and (options.exact or options.side_by_side or options.output.suffix == ".png"):
        raise ValueError(
            "Expected a video or a folder as output of --motion, without --exact and --side-by-side, which need a "
            "driving clip; received one of them. Leave it out."
        )


def _check_single_image(options: argparse.Namespace, driving: FrameSource) -> None:
    if options.output.suffix.lower() == ".png" and driving.frame_count != 1:
        raise ValueError(
            f"Expected one driving image for the output {str(options.output)!r}, received the clip {options.driving} "
            f"of {driving.frame_count or 'many'} frames. Choose an output ending in .mp4, or without suffix for a "
            "folder of images."
        )


def write_frames(options: argparse.Namespace, driving: FrameSource | MotionDriver, frames: Iterator[Tensor]) -> None:
    """Write all output frames with a progress bar."""
    with tqdm(frames, desc="Reenact", total=driving.frame_count, unit="frame") as bar:
        written = (frame.cpu() for frame in bar)
        first = next(written, None)
        if first is None:
            raise ValueError(
                f"Expected a driving clip with frames, received none from {options.driving}. Check the file."
            )
        transparent = is_transparent(options)
        shown = slice(None) if transparent else slice(3)
        if options.output.suffix.lower() == ".png":
            images.save_png(options.output, first[..., shown])
            if options.matte:
                images.save_png(options.matte, _matte(first))
            return
        clip = driving if isinstance(driving, FrameSource) else None
        audio = None if options.no_audio or clip is None or not clip.has_audio else options.driving
        size, rate = tuple(first.shape[:2]), driving.frame_rate
        with ExitStack() as writers:
            writer = VideoWriter(options.output, rate, size, audio_from=audio, clip=clip, transparent=transparent)
            writer = writers.enter_context(writer)
            matte = options.matte and writers.enter_context(VideoWriter(options.matte, rate, size, clip=clip))
            for frame in itertools.chain([first], written):
                writer.write(frame[..., shown])
                if matte:
                    matte.write(_matte(frame))


def _matte(frame: Tensor) -> Tensor:
    """The alpha of a frame uint8 (H, W, 4) as a grey frame (H, W, 3)."""
    return frame[..., 3:].expand(-1, -1, 3)
