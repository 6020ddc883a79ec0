"""All frames of a data folder: images by number, facts as arrays, and which of them are held out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from diffusionact import scale
from diffusionact.data.shards import INDEX_NAME, expression_names, list_shards

from .decoded import DecodedImages
from .streamed import StreamedImages

STORES = {"decoded": DecodedImages, "none": StreamedImages}
COPIED_TOGETHER = 256  # frames


class Frames:
    """Random access to the frames of a data folder; several threads may ask at once.

    Args:
        folder: holds the shards; a path, or an address such as s3://bucket/folder with `cache` "none".
        sample_size: expected side of the images, pixels.
        validation_every: every N-th identity is held out, where the shards name no validation split.
        show_progress: draw a bar while the shards are decoded or indexed.
        cache: "decoded" or "none", see `DataConfig`; the images are the same.

    Attributes:
        sample_size: side of the images, pixels.
        expression_names: names of the entries of the expression.
        identity: (N,) int64 number of the person of every frame.
        video: (N,) int64 number of the video of every frame; a video shows one person.
        training: (N_t,) int64 frame numbers of the training split, in fixed order.
        validation: (N_v,) int64 frame numbers held out; no person is in both. The test split is in neither.
    """

    def __init__(
        self,
        folder: str | Path,
        sample_size: int,
        validation_every: int,
        show_progress: bool = False,
        cache: str = "decoded",
    ):
        self.sample_size = sample_size
        shards, self.expression_names = _stored(folder, cache) if scale.is_remote(folder) else _local(folder)
        self._store = STORES[cache](tqdm(shards, "shards", disable=not show_progress), sample_size)
        self._facts = self._store.facts
        self.identity, self.video = self._facts.identity, self._facts.video
        self.training, self.validation = self._facts.held_out(validation_every)
        if not len(self.training) or not len(self.validation):
            raise ValueError(
                f"Expected frames of training and of held-out identities, received {len(self.training)} and "
                f"{len(self.validation)}. Add identities or lower data.validation_every."
            )
        self._on_device: dict[str, Tensor] = {}

    def __len__(self) -> int:
        return len(self.identity)

    def move_to(self, device: torch.device, names: tuple[str, ...]) -> None:
        """Copy whole image arrays to a device; `images` then reads them there."""
        chunks = [
            np.arange(len(self))[first : first + COPIED_TOGETHER] for first in range(0, len(self), COPIED_TOGETHER)
        ]
        for name in names:
            self._on_device[name] = torch.cat([self._store.images(name, chunk).to(device) for chunk in chunks])

    def images(self, name: str, frames: np.ndarray) -> Tensor:
        """Gather uint8 images: "image" and "landmark_map" (B, H, W, 3), "region" (B, H, W)."""
        if name in self._on_device:
            stored = self._on_device[name]
            return stored[torch.from_numpy(frames).to(stored.device)]
        return self._store.images(name, frames)

    def facts(self, name: str) -> np.ndarray:
        """The whole array (N, ...) of one of `FACTS` in `facts.py`."""
        return self._facts.values[name]

    def targets(self) -> Tensor:
        """(N, 141 + E) float32: landmarks (136, px), head pose (3, degrees), gaze (2, radians), expression (E)."""
        count = len(self)
        names = ("landmarks", "head_pose", "gaze", "expression")
        return torch.from_numpy(np.concatenate([self.facts(name).reshape(count, -1) for name in names], axis=1))


def _local(folder: str | Path) -> tuple[list[Path], list[str]]:
    return list_shards(folder), expression_names(folder)


def _stored(folder: str | Path, cache: str) -> tuple[list[str], list[str]]:
    """Addresses of the shards of a folder in a store, and the names of the expression's entries."""
    if cache != "none":
        raise ValueError(
            f"Expected data.cache none for shards in a store, received {cache!r} for {folder}. Set it, or copy the "
            "folder to this machine."
        )
    shards = scale.list_files(str(folder), ".tar")
    if not shards:
        raise FileNotFoundError(f"Expected shards (*.tar) in {folder}, received none. Correct data.folder.")
    index = scale.read_text(scale.join(str(folder), INDEX_NAME))
    return shards, json.loads(index)["expression_names"]
