"""`diffusionact reenact --motion`: a motion script or saved poses in place of a driving clip."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from ..data.saved_values import FRAME_RATE_NOTE, frame_rate_of, load_attachments, load_value, save_value
from ..generation import Sampling
from ..motion import PRESETS, Timeline, load_script, script_poses
from ..pipelines import DiffusionActPipeline, ReenactedFrame
from ..types import FacePose, SourceCodes, concatenate, map_tensors

logger = logging.getLogger(__name__)

SAVED_SUFFIX = ".safetensors"
STILL_FRAME_RATE = Fraction(25)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of motion without a driver."""
    group = parser.add_argument_group("motion without a driver")
    group.add_argument(
        "--motion",
        metavar="MOTION",
        help=f"in place of DRIVING: {', '.join(PRESETS)}, a motion file (.json, .yaml), or saved poses (.safetensors)",
    )
    group.add_argument("--seconds", type=float, help="length of the output (default: the motion's)")
    group.add_argument("--seamless", action="store_true", help="the output can be played in a loop without a seam")
    group.add_argument("--seed", type=int, help="another one blinks, looks and talks otherwise")
    group.add_argument("--save-poses", type=Path, metavar="FILE", help="also keep the poses, as FILE.safetensors")


class MotionDriver:
    """What moves a source without a driving clip.

    Args:
        options: of the command.

    Attributes:
        frame_rate: of the output.
        frame_count: of the output.

    Raises:
        FileNotFoundError: if there is no such motion.
        ValueError: if the motion or an option is unusable.
    """

    def __init__(self, options: argparse.Namespace):
        self._saved: FacePose | None = None
        if Path(options.motion).suffix == SAVED_SUFFIX:
            self._load_saved(Path(options.motion), options)
            return
        script = load_script(options.motion).seeded(options.seed)
        rate = options.frame_rate or STILL_FRAME_RATE
        self._timeline = Timeline.of(script, rate, options.seconds, options.seamless)
        self.frame_rate, self.frame_count = self._timeline.frame_rate, self._timeline.frame_count

    def poses(self, pipeline: DiffusionActPipeline, source: SourceCodes) -> Iterator[FacePose]:
        """Poses of the source, one row per frame."""
        if self._saved is None:
            return script_poses(pipeline.face_reader.face_model, source, self._timeline)
        return self._saved_poses(pipeline, source, self._saved)

    def _load_saved(self, path: Path, options: argparse.Namespace) -> None:
        if options.seamless or options.seed is not None:
            raise ValueError(
                f"Expected --seamless and --seed beside a motion script, received them beside the saved poses {path}. "
                "Leave them out."
            )
        self._saved = load_value(path, FacePose)
        noted = frame_rate_of(load_attachments(path), path)
        self.frame_rate = options.frame_rate or noted or STILL_FRAME_RATE
        stored = len(self._saved.found)
        self.frame_count = stored if options.seconds is None else max(1, round(options.seconds * self.frame_rate))

    def _saved_poses(self, pipeline: DiffusionActPipeline, source: SourceCodes, saved: FacePose) -> Iterator[FacePose]:
        """The saved poses from the beginning, again and again, until the output is as long as it should be."""
        for index in range(self.frame_count):
            at = index % len(saved.found)
            row = map_tensors(saved, lambda tensor, at=at: tensor[at : at + 1].to(pipeline.face_device))
            yield pipeline.fit_pose(source, row)


def stream_motion(
    options: argparse.Namespace, pipeline: DiffusionActPipeline, source: SourceCodes, driver: MotionDriver
) -> Iterator[ReenactedFrame]:
    """Yield the frames of a motion."""
    sampling = Sampling(options.steps, options.scheduler)
    poses = driver.poses(pipeline, source)
    if options.save_poses:
        poses = iter(_kept(poses, options.save_poses, driver.frame_rate))
    return pipeline.stream_poses(source, poses, sampling, options.chunk_size)


def _kept(poses: Iterator[FacePose], path: Path, frame_rate: Fraction) -> list[FacePose]:
    """All poses, written to a file; a minute of them takes 1.5 MB."""
    rows = list(poses)
    save_value(concatenate(rows), path, notes={FRAME_RATE_NOTE: str(frame_rate)})
    logger.info("%d poses written to %s", len(rows), path)
    return rows
