"""Shards of synthetic frames: the frames of an identity together and in order; an identity is one video.

The format is that of `diffusionact/data/shards.py`. A shard appears under its name when it is whole, so that an
interrupted run continues where it stopped.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from diffusionact.data.shards import INDEX_NAME, ShardFrame, read_index, write_index
from diffusionact.data.shards import write_shard as write_frames

from .frames import identity_frames
from .head import Head

IDENTITIES_PER_SHARD = 32
PIXELS = ("image", "labels")


@dataclass(frozen=True)
class ShardConfig:
    """What a folder of shards holds; identity i depends on (seed, i, frames, motion) only."""

    identities: int
    frames: int
    size: int
    seed: int
    motion: str

    @property
    def shard_count(self) -> int:
        """Number of shards."""
        return -(-self.identities // IDENTITIES_PER_SHARD)

    def members(self, shard: int) -> range:
        """Identities of a shard."""
        return range(shard * IDENTITIES_PER_SHARD, min(self.identities, (shard + 1) * IDENTITIES_PER_SHARD))


def shard_name(shard: int) -> str:
    """File name of a shard."""
    return f"synthetic-{shard:05d}.tar"


def shard_frames(head: Head, config: ShardConfig, shard: int) -> Iterator[ShardFrame]:
    """Render the frames of a shard."""
    for identity in config.members(shard):
        name = f"{identity:06d}"
        frames = identity_frames(head, config.seed, identity, config.frames, config.size, config.motion)
        for number, frame in enumerate(frames):
            truth = {key: np.asarray(value, dtype=float) for key, value in vars(frame).items() if key not in PIXELS}
            yield ShardFrame(
                identity=name, video=name, clip=name, frame=number, image=frame.image, labels=frame.labels, **truth
            )


def write_shard(head: Head, config: ShardConfig, shard: int, folder: Path) -> int:
    """Render and write one shard unless it is there; returns the number of frames it holds."""
    path = folder / shard_name(shard)
    if path.exists():
        return len(config.members(shard)) * config.frames
    return write_frames(path, shard_frames(head, config, shard))


def prepare_folder(config: ShardConfig, folder: Path, action_names: list[str]) -> None:
    """Create the folder and its index, or check that the index there is the same.

    Raises:
        ValueError: if the folder holds shards of another configuration.
    """
    counts = [len(config.members(shard)) * config.frames for shard in range(config.shard_count)]
    shards = [{"name": shard_name(shard), "count": count} for shard, count in enumerate(counts)]
    there = read_index(folder).get("config") if (folder / INDEX_NAME).exists() else asdict(config)
    if there != asdict(config):
        raise ValueError(
            f"Expected {folder} to be empty or to hold shards of {asdict(config)}; got {there}; "
            "choose another --output or the same arguments."
        )
    folder.mkdir(parents=True, exist_ok=True)
    more = {"size": config.size, "config": asdict(config), "count": config.identities * config.frames, "shards": shards}
    write_index(folder, action_names, more)
