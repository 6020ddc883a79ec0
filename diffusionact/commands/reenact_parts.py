"""One run of `reenact` in parts, for workers that share a long clip; the output is that of the run in one piece.

    prepare -> the source's codes and all poses of the driver, since smoothing and tracking go from frame to frame
    render  -> some of the frames, without loss; parts depend on nothing but what was prepared
    join    -> all frames into the output, with the driver's times and sound

All of it lies in a folder beside the output. What is there is not made again, unless it was made for another job.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import shutil
from collections.abc import Iterable
from pathlib import Path

from .. import images
from ..data.saved_values import load_value, save_value
from ..generation import Sampling
from ..pipelines import DiffusionActPipeline
from ..types import FacePose, SourceCodes, map_tensors
from ..video import is_clip
from ..video.lossless import read_lossless, write_lossless
from ..weights import some_of
from .loading import load_photo, load_pipeline, load_source, pose_options
from .output_frames import OutputFrames, is_transparent
from .reenact import check, check_engine, open_driving, write_frames

logger = logging.getLogger(__name__)

FOLDER_SUFFIX = ".parts"
PART_SUFFIX = ".nut"
JOB, SOURCE, POSES = "job.json", "source.safetensors", "poses.safetensors"
# Options that change nothing in the frames, and what belongs to this process.
NOT_OF_THE_JOB = ("overwrite", "held_pipeline", "run", "parse")

FrameRange = tuple[int, int]


def is_divisible(options: argparse.Namespace) -> bool:
    """Whether a run of `reenact` could be done in parts, as far as its options say."""
    has_state = options.drive or options.exact or options.report or options.side_by_side
    is_one_photo = options.driving is not None and options.motion is None and not is_clip(options.source)
    return is_one_photo and not has_state and options.output.suffix.lower() != ".png"


def prepare(options: argparse.Namespace, part_frames: int) -> list[FrameRange]:
    """Encode the source and read the driver, unless the clip is short or the engine's frames depend on each other.

    Args:
        options: of a divisible run.
        part_frames: frames of a part, rounded up to whole chunks, so that they go through the networks as in one piece.

    Returns:
        First frame of each part and the first of the next, from 0; nothing where the clip should stay whole.
    """
    check(options)
    driving, pipeline = open_driving(options), load_pipeline(options)
    is_long = driving.frame_count is not None and driving.frame_count > part_frames
    if not is_long or not getattr(pipeline.engine, "independent_frames", False):
        return []
    check_engine(options, pipeline)
    folder = _folder_of(options, pipeline, part_frames)
    if not (folder / SOURCE).exists():
        source, _, _ = load_source(pipeline, options.source, options, is_transparent(options))
        save_value(source, folder / SOURCE, pipeline.fingerprint)
    output = _output(options, pipeline, folder)
    if not (folder / POSES).exists():
        pose = output.pipeline.extract_pose(driving, output.source, pose_options(options), float(driving.frame_rate))
        save_value(pose, folder / POSES)
    found = load_value(folder / POSES, FacePose).found
    if not bool(found.all()):
        without_face = int((~found).sum())
        logger.info("%d of %d driving frames showed no face; their poses are filled in", without_face, len(found))
    chunk_size = output.chunk_size(options.chunk_size)
    step = chunk_size * math.ceil(part_frames / chunk_size)
    return [(first, min(first + step, len(found))) for first in range(0, len(found), step)]


def render(options: argparse.Namespace, frames: FrameRange) -> None:
    """Render the frames of one part of a prepared run."""
    folder = parts_folder(options.output)
    if (path := _part(folder, frames)).exists():
        return
    pipeline = load_pipeline(options)
    output, poses = _output(options, pipeline, folder), load_value(folder / POSES, FacePose)
    rows = (
        map_tensors(poses, lambda tensor, row=row: tensor[row : row + 1].to(pipeline.face_device))
        for row in range(*frames)
    )
    sampling, chunk_size = Sampling(options.steps, options.scheduler), output.chunk_size(options.chunk_size)
    rendered = output.pipeline.stream_poses(output.source, rows, sampling, chunk_size)
    write_lossless(path, output.finish(rendered, None, None))


def join(options: argparse.Namespace, parts: Iterable[FrameRange]) -> None:
    """Write the output from all parts, and remove them."""
    check(options)
    folder, driving = parts_folder(options.output), open_driving(options)
    rendered = (frame for part in parts for frame in read_lossless(_part(folder, part)))
    # When a frame shows is known once the driver was read as far.
    write_frames(options, driving, (frame for _, frame in zip(driving, rendered, strict=True)))
    shutil.rmtree(folder)


def parts_folder(output: Path) -> Path:
    """Where everything lies until the output is there."""
    return output.with_name(output.name + FOLDER_SUFFIX)


def discard(output: Path) -> None:
    """Remove what was prepared and rendered for an output.

    Raises:
        FileExistsError: if its folder also holds something else.
    """
    folder = parts_folder(output)
    if not folder.exists():
        return
    names = sorted(path.name for path in folder.iterdir())
    foreign = [name for name in names if name not in (JOB, SOURCE, POSES) and not name.endswith((PART_SUFFIX, ".tmp"))]
    if foreign:
        raise FileExistsError(
            f"Expected only parts of {output.name} in {str(folder)!r}, received {some_of(foreign)}. Move them "
            "away, or choose another output path."
        )
    shutil.rmtree(folder)


def _part(folder: Path, frames: FrameRange) -> Path:
    return folder / f"{frames[0]:08d}{PART_SUFFIX}"


def _folder_of(options: argparse.Namespace, pipeline: DiffusionActPipeline, part_frames: int) -> Path:
    """The folder of a job; what was made for another one is removed."""
    folder, job = parts_folder(options.output), _description(options, pipeline, part_frames)
    if not ((folder / JOB).exists() and (folder / JOB).read_text(encoding="utf-8") == job):
        discard(options.output)
    if not folder.exists():
        folder.mkdir()
        with images.written_under_temporary_name(folder / JOB) as temporary:
            temporary.write_text(job, encoding="utf-8")
    return folder


def _description(options: argparse.Namespace, pipeline: DiffusionActPipeline, part_frames: int) -> str:
    """All that the frames depend on."""
    words = {name: str(value) for name, value in sorted(vars(options).items()) if name not in NOT_OF_THE_JOB}
    status = [path.stat() for path in (options.source, options.driving)]
    files = [(file.st_size, file.st_mtime_ns) for file in status]
    return json.dumps({"options": words, "files": files, "model": pipeline.fingerprint, "part_frames": part_frames})


def _output(options: argparse.Namespace, pipeline: DiffusionActPipeline, folder: Path) -> OutputFrames:
    """What finishes the frames of the source that was prepared."""
    source = pipeline.source_to_device(load_value(folder / SOURCE, SourceCodes, pipeline.fingerprint))
    return OutputFrames(options, pipeline, source, *load_photo(options.source, is_transparent(options)))
