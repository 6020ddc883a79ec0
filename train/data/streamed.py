"""Images read out of the shards when they are asked for: no decoded copy on disk, some work at every step.

Where each frame's bytes lie, and the facts, are found once for every shard and kept in a small file in `cache/`. Shards
in a store (`s3://`, `hf://`) are read by ranges of bytes, an image each; their small files lie on this machine.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusionact import scale
from diffusionact.data.shards import decode_image, decode_labels, scan_shard

from .decoded import check_size
from .drawing import draw_regions, landmark_map_pixels
from .facts import FactTable, collect

INDEX_VERSION = 2
INDICES = ".indices"  # beside the copies, which alone make room for each other


class StreamedImages:
    """Random access to frames in their shards.

    Args:
        shards: of the folder, in order; paths or addresses.
        sample_size: expected side of the images, pixels.

    Attributes:
        facts: of all frames.
    """

    def __init__(self, shards: Iterable[Path | str], sample_size: int):
        self.sample_size = sample_size
        self._shards = list(shards)
        indices = [indexed_shard(path) for path in self._shards]
        self.facts = FactTable.of_shards(indices)
        self._positions = np.concatenate([index["positions"] for index in indices])
        self._shard = np.repeat(np.arange(len(indices)), [len(index["positions"]) for index in indices])
        self._image(0)  # a wrong size is an error now

    def images(self, name: str, frames: np.ndarray) -> Tensor:
        """See `Frames`."""
        make = {"image": self._image, "landmark_map": self._landmark_map, "region": self._region}[name]
        return torch.from_numpy(np.stack([make(frame) for frame in frames]))

    def _image(self, frame: int) -> np.ndarray:
        image = decode_image(self._read(frame, 0))
        check_size(image, self.sample_size, Path(self._shards[self._shard[frame]]))
        return image

    def _landmark_map(self, frame: int) -> np.ndarray:
        values = self.facts.values
        return landmark_map_pixels(values["landmarks"][frame], values["pupils"][frame], self.sample_size)

    def _region(self, frame: int) -> np.ndarray:
        labels = decode_labels(self._read(frame, 2)) if self._positions[frame, 3] else None
        return draw_regions(labels, self.facts.values["landmarks"][frame], self.sample_size)

    def _read(self, frame: int, column: int) -> bytes:
        first, number = self._positions[frame, column : column + 2].tolist()
        return scale.read_range(str(self._shards[self._shard[frame]]), first, number)


def indexed_shard(path: Path | str) -> dict[str, np.ndarray]:
    """The facts of a shard's frames, as `collect` gives them, and their positions in the file.

    `positions` is (n, 4) int64: first byte and number of bytes of the image, and of the labels (0 where there are
    none).
    The index belongs to the shard's name, size and date; in a store, to its address and content. A shard of a store is
    copied once to be indexed.
    """
    if scale.is_remote(path):
        copies = scale.LocalCopies()
        entry = copies.folder / INDICES / f"{INDEX_VERSION}-{scale.content_stamp(str(path))}.npz"
    else:
        status = path.stat()
        stamp = f"{INDEX_VERSION} {path.name} {status.st_size} {status.st_mtime_ns}"
        entry = path.parent / "cache" / f"{path.stem}-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}.npz"
    if entry.is_file():
        with np.load(entry) as stored:
            return dict(stored)
    frames = list(scan_shard(copies.fetch(str(path)) if scale.is_remote(path) else path))
    index = collect(frame.facts for frame in frames)
    index["positions"] = np.array([(*frame.image, *(frame.labels or (0, 0))) for frame in frames], dtype=np.int64)
    entry.parent.mkdir(parents=True, exist_ok=True)
    temporary = entry.with_name(f".{entry.stem}.{uuid.uuid4().hex[:8]}.tmp.npz")
    np.savez(temporary, **index)
    os.replace(temporary, entry)
    return index
