"""Preparing videos in parallel. Each video is one worker's from beginning to end; workers share nothing but folders.

Workers find these functions by module name, so they cannot stand in a script.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from tqdm import tqdm

from diffusionact import scale
from diffusionact.data.shards import ShardFrame, remove_unfinished, write_shard
from diffusionact.devices import choose_device
from diffusionact.face.errors import NoFaceFoundError
from diffusionact.face.readers.reader import FaceReader
from diffusionact.face.readers.registry import load_face_reader

from .clips import Clip
from .records import ClipRecord, VideoRecord, VideoTask, hash_files, write_record
from .tracking import FrameSelection, cut_frames, track_clip

BAD_CLIP = (NoFaceFoundError, ValueError, OSError, torch.linalg.LinAlgError)
RAY_SUMMARY = "ray_summary.json"
WAITING_A_WORKER = 4  # videos handed to the pool ahead of time


@dataclass(frozen=True)
class Preparation:
    """How videos become shards.

    Attributes:
        output: folder of the shards; must exist.
        face_reader: one of `face.readers.registry.FACE_READERS`.
        reader_folder: of its files; None looks in the weights folder.
        selection: which frames, and how large.
        image_format: one of `shards.IMAGE_FORMATS`.
        quality: 1 to 100, of jpg and webp.
    """

    output: Path
    face_reader: str
    reader_folder: Path | None
    selection: FrameSelection
    image_format: str
    quality: int


def prepare_videos(
    preparation: Preparation, tasks: Sequence[VideoTask], workers: int, devices: Sequence[str], progress: tqdm
) -> None:
    """Write the shards and records of videos.

    Args:
        preparation: how.
        tasks: videos that are not done yet.
        workers: processes; 1 works in this one.
        devices: the workers take them in turn.
        progress: is moved on by a clip at a time.

    Raises:
        concurrent.futures.process.BrokenProcessPool: if a worker died.
    """
    done = _alone(preparation, tasks, devices[0]) if workers == 1 else _together(preparation, tasks, workers, devices)
    bad = 0
    for record in done:
        bad += len(record.bad_clips)
        progress.set_postfix(bad=bad, refresh=False)
        progress.update(len(record.clips))


def _alone(preparation: Preparation, tasks: Sequence[VideoTask], device: str) -> Iterator[VideoRecord]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker: sums depend on the number of threads in their last bits
    try:
        yield from map(VideoWorker(preparation, device), tasks)
    finally:
        torch.set_num_threads(threads)


def _together(
    preparation: Preparation, tasks: Sequence[VideoTask], workers: int, devices: Sequence[str]
) -> Iterator[VideoRecord]:
    context = multiprocessing.get_context("spawn")
    turns = context.SimpleQueue()
    for number in range(workers):
        turns.put(devices[number % len(devices)])
    remaining, running = iter(tasks), set[Future[VideoRecord]]()
    pool = ProcessPoolExecutor(workers, context, _start_worker, (preparation, turns))
    try:
        while True:
            waiting = WAITING_A_WORKER * workers - len(running)
            running |= {pool.submit(_work, task) for task in islice(remaining, waiting)}
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)  # after an error, only the videos at work are finished


def prepare_videos_on_ray(preparation: Preparation, tasks: Sequence[VideoTask], options: argparse.Namespace) -> int:
    """Write the shards and records of videos by workers of a cluster, which see the same folders.

    Args:
        preparation: how.
        tasks: videos that are not done yet.
        options: of the command, with `ray`, `ray_workers` and `device`.

    Returns:
        How many videos were set aside; RAY_SUMMARY in the output says which and why.
    """
    path = str(preparation.output / RAY_SUMMARY)
    summary = scale.Summary(path, len(tasks), lambda index: tasks[index].video)
    outcomes = scale.run_tasks(partial(VideoWorker, preparation, options.device), tasks, options)
    for _ in summary.follow(outcomes, "Prepare", "video"):
        pass
    return len(summary.set_aside)


class VideoWorker:
    """Prepares videos with one face reader.

    Args:
        preparation: how.
        device: of the face reader; "auto" is the GPU that this worker was given, else the CPU.
    """

    def __init__(self, preparation: Preparation, device: str):
        torch.set_num_threads(1)
        reader = load_face_reader(preparation.face_reader, preparation.reader_folder)
        self._preparation, self._reader = preparation, reader.to(choose_device(device))

    def __call__(self, task: VideoTask) -> VideoRecord:
        """Write the shard of a video, then its record."""
        return prepare_video(self._preparation, self._reader, task)


_worker: VideoWorker | None = None


def _start_worker(preparation: Preparation, turns) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = VideoWorker(preparation, turns.get())


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _work(task: VideoTask) -> VideoRecord:
    return _worker(task)


def prepare_video(preparation: Preparation, reader: FaceReader, task: VideoTask) -> VideoRecord:
    """Write the shard of a video, then its record."""
    shard, clips = preparation.output / f"{task.stem}.tar", []
    remove_unfinished(shard)

    def frames() -> Iterator[ShardFrame]:
        for clip in task.clips:
            yield from _clip_frames(preparation, reader, clip, task.split, clips)

    count = write_shard(shard, frames(), preparation.image_format, preparation.quality)
    if not count:
        shard.unlink(missing_ok=True)  # of an earlier run, when the clips were good
    record = VideoRecord(task.video, task.split, shard.name if count else "", tuple(clips))
    write_record(preparation.output, task.stem, record)
    return record


def _clip_frames(
    preparation: Preparation, reader: FaceReader, clip: Clip, split: str, done: list[ClipRecord]
) -> Iterator[ShardFrame]:
    """Frames of a clip; afterwards its record is the last of `done`. A bad clip yields none."""
    try:
        tracked = track_clip(reader, clip, preparation.selection)
        digest = hash_files(clip.paths)
    except BAD_CLIP as error:
        done.append(ClipRecord(clip.name, clip.num_bytes, "", 0, 0, f"{type(error).__name__}: {error}"))
        return
    yield from cut_frames(tracked, preparation.selection, reader.name, split)
    done.append(ClipRecord(clip.name, clip.num_bytes, digest, tracked.num_seen, len(tracked.faces), ""))
