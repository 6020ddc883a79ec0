"""All frames of a data folder as uint8 arrays: every shard is decoded once into `cache/`, then mapped into memory.

The cache also holds what is drawn from the landmarks (landmark map, regions of the pixel weights), so that a training
step only copies bytes. It belongs to a shard's name, size and date: a changed shard gets a new entry.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from tqdm import tqdm

from diffusionact.face.landmark_map import landmark_map_at
from diffusionact.images import model_to_uint8
from diffusionact.shards import ShardFrame, expression_names, list_shards, read_shard

CACHE_VERSION = 1
PICTURES = ("image", "landmark_map", "region")  # uint8, mapped
FACTS = ("identity", "landmarks", "pupils", "head_pose", "gaze", "expression")  # small, in memory
REGIONS = ("background", "person", "face", "eyes_and_mouth")  # values 0..3 of `region`
DETAIL_PARTS = (range(36, 42), range(42, 48), range(48, 60))  # iBUG-68: eyes and outer lips


class Frames:
    """Random access to the frames of a data folder.

    Args:
        folder: holds the shards.
        sample_size: expected side of the pictures, pixels.
        validation_every: every so-manieth identity is held out.
        show_progress: draw a bar while decoding.

    Attributes:
        sample_size: side of the pictures, pixels.
        expression_names: names of the 52 entries of the expression.
        identity: (N,) int64 number of the person of every frame.
        training: (N_t,) int64 frame numbers of the training identities, in fixed order.
        validation: (N_v,) int64 frame numbers of the held-out identities.
    """

    def __init__(self, folder: str | Path, sample_size: int, validation_every: int, show_progress: bool = False):
        self.sample_size = sample_size
        shards = list_shards(folder)
        self.expression_names = expression_names(folder)
        entries = [cached_shard(path, sample_size) for path in tqdm(shards, "shards", disable=not show_progress)]
        self._pictures = {
            name: [np.load(entry / f"{name}.npy", mmap_mode="r") for entry in entries] for name in PICTURES
        }
        self._facts = {name: np.concatenate([np.load(entry / f"{name}.npy") for entry in entries]) for name in FACTS}
        counts = [len(array) for array in self._pictures["image"]]
        self._shard = np.repeat(np.arange(len(counts)), counts)
        self._row = np.concatenate([np.arange(count) for count in counts])
        self.identity = self._facts["identity"]
        held_out = self.identity % validation_every == validation_every - 1
        self.training, self.validation = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        if not len(self.training) or not len(self.validation):
            raise ValueError(
                f"Expected frames of training and of held-out identities, received {len(self.training)} and "
                f"{len(self.validation)}. Add identities or lower data.validation_every."
            )
        self._on_device: dict[str, Tensor] = {}

    def __len__(self) -> int:
        return len(self.identity)

    def move_to(self, device: torch.device, names: tuple[str, ...]) -> None:
        """Copy whole picture arrays to a device; `pictures` then reads them there."""
        for name in names:
            self._on_device[name] = torch.cat([torch.from_numpy(np.array(part)) for part in self._pictures[name]]).to(
                device
            )

    def pictures(self, name: str, frames: np.ndarray) -> Tensor:
        """Gather uint8 pictures: "image" and "landmark_map" (B, H, W, 3), "region" (B, H, W)."""
        if name in self._on_device:
            stored = self._on_device[name]
            return stored[torch.from_numpy(frames).to(stored.device)]
        parts = self._pictures[name]
        return torch.from_numpy(np.stack([parts[self._shard[frame]][self._row[frame]] for frame in frames]))

    def facts(self, name: str) -> np.ndarray:
        """The whole array (N, ...) of one of `FACTS`."""
        return self._facts[name]

    def targets(self) -> Tensor:
        """(N, 193) float32: landmarks (136, px), head pose (3, degrees), gaze (2, radians), expression (52)."""
        count = len(self)
        names = ("landmarks", "head_pose", "gaze", "expression")
        return torch.from_numpy(np.concatenate([self._facts[name].reshape(count, -1) for name in names], axis=1))


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
        for name, array in decode_shard(path, sample_size).items():
            np.save(temporary / f"{name}.npy", array)
        os.replace(temporary, entry)
    except OSError:
        if not entry.is_dir():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return entry


def decode_shard(path: Path, sample_size: int) -> dict[str, np.ndarray]:
    """Arrays of all frames of a shard, by the names of `PICTURES` and `FACTS`.

    Raises:
        ValueError: if a picture has another size.
    """
    rows: dict[str, list[np.ndarray]] = {name: [] for name in PICTURES + FACTS}
    for frame in read_shard(path):
        if frame.image.shape != (sample_size, sample_size, 3):
            raise ValueError(
                f"Expected pictures of {sample_size} px, received {frame.image.shape} in {path.name}. "
                "Set data.sample_size to the size of the shards, or prepare them again."
            )
        landmarks, pupils = torch.from_numpy(frame.landmarks)[None], torch.from_numpy(frame.pupils)[None]
        drawn = model_to_uint8(landmark_map_at(landmarks, pupils, sample_size))[0]
        rows["image"].append(frame.image)
        rows["landmark_map"].append(drawn.numpy())
        rows["region"].append(draw_regions(frame))
        for name in FACTS:
            rows[name].append(np.asarray(getattr(frame, name)))
    return {name: np.stack(values) for name, values in rows.items()}


def draw_regions(frame: ShardFrame) -> np.ndarray:
    """(H, W) uint8, an index into `REGIONS`: the labels, with eyes and mouth filled in from the landmarks.

    The outline is drawn with some width, so that closed eyes and lips keep an area.
    """
    picture = Image.fromarray(frame.labels.clip(0, 2))
    canvas = ImageDraw.Draw(picture)
    width = max(1, round(len(frame.labels) / 32))
    for part in DETAIL_PARTS:
        points = [tuple(point) for point in frame.landmarks[list(part)].tolist()]
        canvas.polygon(points, fill=3)
        canvas.line([*points, points[0]], fill=3, width=width, joint="curve")
    return np.asarray(picture)
