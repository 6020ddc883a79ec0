"""The command line of `prepare.py`: find the clips, leave out what is done, let the workers work, write the lists."""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import os
import re
import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from diffusionact import scale
from diffusionact.data.shards import IMAGE_FORMATS, INDEX_NAME, SPLITS, read_index, write_index
from diffusionact.devices import choose_device
from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.readers.emoca.flame import NUM_EXPRESSION, NUM_JAW
from diffusionact.face.readers.registry import FACE_READERS

from ..preparation.clips import LAYOUTS, find_clips
from ..preparation.production import RAY_SUMMARY, Preparation, prepare_videos, prepare_videos_on_ray
from ..preparation.records import (
    BAD_CLIPS_NAME,
    FOLDER,
    VideoRecord,
    VideoTask,
    is_done,
    read_records,
    write_bad_clips,
)
from ..preparation.splits import assign_splits, read_test_list
from ..preparation.tracking import FrameSelection

BAD_INPUT = 2
CURE = "Free some, and go on with the same command: finished videos are kept."
INTERRUPTED = 130
FLAME_NAMES = tuple(f"expression{number:02d}" for number in range(NUM_EXPRESSION)) + tuple(
    f"jaw{axis}" for axis in "XYZ"[:NUM_JAW]
)


def build_parser() -> argparse.ArgumentParser:
    """The arguments of `prepare.py`."""
    parser = argparse.ArgumentParser(
        prog="prepare.py",
        description="Track and crop the faces of videos or images, and write them as shards. Runs that were "
        "interrupted go on when the same command is given again.",
    )
    add = parser.add_argument
    add("--input", type=Path, required=True, help="folder of videos or of folders of images")
    add("--output", type=Path, required=True, help="folder of the shards")
    add("--layout", choices=("auto", *LAYOUTS), default="auto", help="how names tell who is who, see docs/data.md")
    add("--size", type=int, default=256, help="side of the images, pixels (default: 256)")
    add("--already-cropped", action="store_true", help="the images are aligned faces: keep them, only measure")
    add("--every", type=int, default=5, metavar="N", help="take one frame in N (default: 5)")
    add("--max-frames", type=int, default=0, metavar="N", help="at most N frames of a clip, evenly spaced")
    add("--face-reader", "--tracker", choices=FACE_READERS, default="open", help="what reads faces (default: open)")
    add("--reader-folder", "--tracker-folder", type=Path, help="of the reader's files, instead of the weights folder")
    add("--test-list", type=Path, help="file with identities, videos or clips of the test split, one a line")
    add("--validation-every", type=int, default=50, metavar="N", help="hold out about 1/N of the people; 0 for none")
    add("--image-format", "--picture-format", choices=IMAGE_FORMATS, default="jpg", help="of the images in the shards")
    add("--quality", type=int, default=95, help="of jpg and webp, 1 to 100 (default: 95)")
    add("--workers", type=int, default=1, help="processes")
    add("--device", default="auto", metavar="NAMES", help="auto (all GPUs, else the CPU), cpu, or cuda:0,cuda:1")
    add("--part", default="1/1", metavar="I/N", help="do part I of N, for several machines with one output folder")
    add("--retry", action="store_true", help="try bad clips again")
    scale.add_arguments(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, 2 for bad input with a message on stderr, or 130 when interrupted."""
    options = build_parser().parse_args(arguments)
    try:
        print(prepare(options))
    except (ValueError, OSError, ModuleNotFoundError, torch.cuda.OutOfMemoryError) as error:
        if getattr(error, "errno", None) == errno.ENOSPC:
            error = f"Expected room in {str(options.output)!r}, received a full disk. {CURE}"
        sys.stderr.write(f"prepare.py: {error}\n")
        return BAD_INPUT
    except BrokenProcessPool:
        sys.stderr.write(
            "prepare.py: Expected all workers to live, received one that was ended, most often for want of memory. "
            "Finished videos are kept; go on with the same command and fewer --workers.\n"
        )
        return BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("prepare.py: interrupted; finished videos are kept, go on with the same command\n")
        return INTERRUPTED
    return 0


def prepare(options: argparse.Namespace) -> str:
    """Prepare what is not done yet; returns a summary."""
    check_numbers(options)
    layout, clips = find_clips(options.input, options.layout)
    tested = read_test_list(options.test_list) if options.test_list else frozenset()
    splits = assign_splits(clips, tested, options.validation_every)
    selection = FrameSelection(options.size, options.every, options.max_frames, options.already_cropped)
    preparation = Preparation(
        options.output, options.face_reader, options.reader_folder, selection, options.image_format, options.quality
    )
    devices = choose_devices(options.device) if options.ray is None else []  # workers on Ray choose for themselves
    open_output(options, layout, tested)
    tasks = part_of(plan(clips, splits), options.part)
    missing = [task for task in tasks if not is_done(options.output, task, options.retry)]
    total, left = (sum(len(task.clips) for task in some) for some in (tasks, missing))
    set_aside = 0
    try:
        if options.ray is not None:
            set_aside = prepare_videos_on_ray(preparation, missing, options)
        else:
            with tqdm(total=total, initial=total - left, unit="clip", smoothing=0.05) as progress:
                prepare_videos(preparation, missing, max(1, min(options.workers, len(missing))), devices, progress)
    finally:
        records = read_records(options.output)
        bad = write_bad_clips(options.output, records)
        write_summary(options, records)
    frames = sum(record.num_frames for record in records)
    clips_done = sum(len(record.clips) for record in records)
    return (
        f"{frames} frames of {clips_done - bad} clips in {sum(bool(record.shard) for record in records)} shards, "
        f"{bad} bad clips"
        + (f" (see {options.output / BAD_CLIPS_NAME})" if bad else "")
        + (f", {set_aside} videos set aside (see {options.output / RAY_SUMMARY})" if set_aside else "")
    )


def plan(clips, splits: dict[str, str]) -> list[VideoTask]:
    """One task a video, sorted by name."""
    videos: dict[str, list] = {}
    for clip in clips:
        videos.setdefault(clip.video, []).append(clip)
    return [VideoTask(video, splits[videos[video][0].group], tuple(videos[video])) for video in sorted(videos)]


def part_of(tasks: list[VideoTask], part: str) -> list[VideoTask]:
    """The tasks of part "I/N": each belongs to one part, whatever else is in the folder.

    Raises:
        ValueError: if it is not of that form.
    """
    found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", part)
    if not found or int(found[1]) > int(found[2]):
        raise ValueError(f"Expected --part as I/N with I from 1 to N, received {part!r}. Write for example 2/4.")
    number, count = int(found[1]), int(found[2])
    return [task for task in tasks if int(task.stem[-8:], 16) % count == number - 1]


def choose_devices(names: str) -> list[str]:
    """The devices that workers take in turn.

    Raises:
        ValueError: if one of them is not there.
    """
    if names == "auto" and torch.cuda.device_count() > 1:
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [str(choose_device(name)) for name in names.split(",")]


def check_numbers(options: argparse.Namespace) -> None:
    """Raise ValueError for a number out of range."""
    least = {"size": 16, "every": 1, "max_frames": 0, "validation_every": 0, "quality": 1, "workers": 1}
    for name, low in least.items():
        if getattr(options, name) < low:
            flag = name.replace("_", "-")
            raise ValueError(f"Expected --{flag} of at least {low}, received {getattr(options, name)}. Raise it.")
    if options.quality > 100:
        raise ValueError(f"Expected --quality of at most 100, received {options.quality}. Lower it.")


def settings_of(options: argparse.Namespace, layout: str, tested: frozenset[str]) -> dict[str, Any]:
    """What all shards of a folder must have in common."""
    kept = (
        "size",
        "already_cropped",
        "every",
        "max_frames",
        "face_reader",
        "validation_every",
        "image_format",
        "quality",
    )
    listed = hashlib.sha256("\n".join(sorted(tested)).encode()).hexdigest()[:16] if tested else ""
    return {"layout": layout, "test_list": listed, **{name: getattr(options, name) for name in kept}}


def open_output(options: argparse.Namespace, layout: str, tested: frozenset[str]) -> None:
    """Make the output folder with its index, or check that it was begun with the same settings.

    Raises:
        ValueError: if it was begun with others, or lies in the input.
    """
    output, settings = options.output, settings_of(options, layout, tested)
    if options.input.resolve() in (output.resolve(), *output.resolve().parents):
        raise ValueError(
            f"Expected --output outside of --input, received {str(output)!r}. Its images would be found as clips."
        )
    if (output / INDEX_NAME).is_file():
        there = read_index(output).get("preparation")
        if there != settings:
            raise ValueError(
                f"Expected {str(output)!r} to be new or begun with {json.dumps(settings)}, received "
                f"{json.dumps(there)}. Use the same arguments or another --output."
            )
    (output / FOLDER).mkdir(parents=True, exist_ok=True)
    if not os.access(output, os.W_OK):
        raise PermissionError(f"Expected a folder that can be written, received {str(output)!r}. Choose another.")
    if not (output / INDEX_NAME).is_file():
        names = FLAME_NAMES if options.face_reader == "emoca" else EXPRESSION_NAMES
        write_index(output, names, {"size": options.size, "reader": options.face_reader, "preparation": settings})


def write_summary(options: argparse.Namespace, records: Sequence[VideoRecord]) -> None:
    """Bring the index up to date: counts, splits and shards."""
    index = read_index(options.output)
    names = index["expression_names"]
    kept = {key: index[key] for key in ("size", "reader", "preparation")}
    good = [record for record in records if record.shard]
    splits = {
        split: {
            "videos": sum(record.split == split for record in good),
            "frames": sum(record.num_frames for record in good if record.split == split),
        }
        for split in SPLITS
    }
    shards = [{"name": record.shard, "count": record.num_frames, "split": record.split} for record in good]
    sources = {"folder": FOLDER, "bad_clips": BAD_CLIPS_NAME}
    count = sum(record.num_frames for record in good)
    write_index(options.output, names, {**kept, "count": count, "splits": splits, "sources": sources, "shards": shards})
