"""Rendering shards in parallel. Workers find these functions by module name, so they cannot stand in `__main__`."""

from __future__ import annotations

import multiprocessing
from functools import partial
from pathlib import Path

from tqdm import tqdm

from .head import Head
from .shards import ShardConfig, prepare_folder, shard_name, write_shard

_worker_head: Head | None = None


def render_shards(config: ShardConfig, folder: Path, workers: int) -> None:
    """Write every missing shard with `workers` processes."""
    head = Head()
    prepare_folder(config, folder, head.action_names)
    missing = [shard for shard in range(config.shard_count) if not (folder / shard_name(shard)).exists()]
    done = config.identities * config.frames - sum(len(config.members(shard)) * config.frames for shard in missing)
    pool = multiprocessing.get_context("spawn").Pool(workers, _start_worker)
    with pool, tqdm(total=config.identities * config.frames, initial=done, unit="frame", mininterval=5) as progress:
        for count in pool.imap_unordered(partial(_write, config, folder), missing):
            progress.update(count)


def _start_worker() -> None:
    global _worker_head
    _worker_head = Head()


def _write(config: ShardConfig, folder: Path, shard: int) -> int:
    return write_shard(_worker_head, config, shard, folder)
