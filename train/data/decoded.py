"""Images of a data folder as uint8 arrays: every shard is decoded once into `cache/`, then mapped into memory.

The cache also holds what is drawn from the landmarks, so that a training step only copies bytes. It belongs to a
shard's name, size and date: a changed shard gets a new entry.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusionact.data.shards import ShardFrame, read_shard

from .drawing import draw_regions, landmark_map_pixels
from .facts import FACTS, NAMES, FactTable, collect

CACHE_VERSION = 2
IMAGES = ("image", "landmark_map", "region")
NAMES_FILE = "names.json"


class DecodedImages:
    """Random access to decoded frames.

    Args:
        shards: of the folder, in order.
        sample_size: expected side of the images, pixels.

    Attributes:
        facts: of all frames.
    """

    def __init__(self, shards: Iterable[Path], sample_size: int):
        entries = [cached_shard(path, sample_size) for path in shards]
        self.facts = FactTable.of_shards([load_facts(entry) for entry in entries])
        self._images = {name: [np.load(entry / f"{name}.npy", mmap_mode="r") for entry in entries] for name in IMAGES}
        counts = [len(array) for array in self._images["image"]]
        self._shard = np.repeat(np.arange(len(counts)), counts)
        self._row = np.concatenate([np.arange(count) for count in counts])

    def images(self, name: str, frames: np.ndarray) -> Tensor:
        """See `Frames`."""
        parts = self._images[name]
        return torch.from_numpy(np.stack([parts[self._shard[frame]][self._row[frame]] for frame in frames]))


def cached_shard(path: Path, sample_size: int) -> Path:
    """Folder of arrays of one shard; decodes the shard if it is not there yet.

    Several processes may ask at once: each writes under a name of its own, the first to finish wins.
    """
    status = path.stat()
    stamp = f"{CACHE_VERSION} {path.name} {status.st_size} {status.st_mtime_ns} {sample_size}"
    entry = path.parent / "cache" / f"{path.stem}-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
    if entry.is_dir():
        return entry
    temporary = entry.with_name(f".{entry.name}.{uuid.uuid4().hex[:8]}.tmp")
    temporary.mkdir(parents=True)
    try:
        decode_shard(path, sample_size, temporary)
        os.replace(temporary, entry)
    except OSError:
        if not entry.is_dir():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return entry


def decode_shard(path: Path, sample_size: int, folder: Path) -> None:
    """Write the arrays of all frames of a shard, by the names of `IMAGES` and `FACTS`, and the names.

    Raises:
        ValueError: if an image has another size.
    """
    frames = []
    for frame in read_shard(path):
        check_size(frame.image, sample_size, path)
        frames.append(frame)
    for name in IMAGES:
        np.save(folder / f"{name}.npy", np.stack([draw(name, frame, sample_size) for frame in frames]))
    facts = collect(frames)
    for name in FACTS:
        np.save(folder / f"{name}.npy", facts[name])
    names = {name: facts[name].tolist() for name in NAMES}
    (folder / NAMES_FILE).write_text(json.dumps(names), encoding="utf-8")


def load_facts(entry: Path) -> dict[str, np.ndarray]:
    """What `collect` gives for a decoded shard."""
    facts = {name: np.load(entry / f"{name}.npy") for name in FACTS}
    names = json.loads((entry / NAMES_FILE).read_text(encoding="utf-8"))
    return facts | {name: np.array(names[name]) for name in NAMES}


def draw(name: str, frame: ShardFrame, sample_size: int) -> np.ndarray:
    """The image called `name` of a frame, uint8."""
    if name == "image":
        return frame.image
    if name == "landmark_map":
        return landmark_map_pixels(frame.landmarks, frame.pupils, sample_size)
    return draw_regions(frame.labels, frame.landmarks, sample_size)


def check_size(image: np.ndarray, sample_size: int, path: Path) -> None:
    """Raise ValueError unless an image (H, W, 3) is a square of `sample_size`."""
    if image.shape != (sample_size, sample_size, 3):
        raise ValueError(
            f"Expected images of {sample_size} px, received {image.shape} in {path.name}. "
            "Set data.sample_size to the size of the shards, or prepare them again."
        )
