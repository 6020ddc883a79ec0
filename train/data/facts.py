"""What is known about the frames of a data folder, as arrays over all frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from diffusionact.data.shards import FrameFacts

NAMES = ("identity", "video", "split")  # text
FACTS = ("landmarks", "pupils", "head_pose", "gaze", "expression")  # float32


def collect(frames: Iterable[FrameFacts]) -> dict[str, np.ndarray]:
    """Arrays over the frames of a shard, by `NAMES` and `FACTS`."""
    frames = list(frames)
    names = {name: np.array([getattr(frame, name) for frame in frames]) for name in NAMES}
    return names | {name: np.stack([getattr(frame, name) for frame in frames]) for name in FACTS}


@dataclass(frozen=True)
class FactTable:
    """The facts of all frames.

    Attributes:
        identity: (N,) int64 number of the person.
        video: (N,) int64 number of the video; one person is in it.
        split: (N,) text, one of `diffusionact.data.shards.SPLITS`.
        values: by `FACTS`, (N, ...) float32.
    """

    identity: np.ndarray
    video: np.ndarray
    split: np.ndarray
    values: dict[str, np.ndarray]

    @classmethod
    def of_shards(cls, shards: Sequence[dict[str, np.ndarray]]) -> FactTable:
        """Join what `collect` gave for each shard."""
        return cls(
            number([shard["identity"] for shard in shards]),
            number([shard["video"] for shard in shards]),
            np.concatenate([shard["split"] for shard in shards]),
            {name: np.concatenate([shard[name] for shard in shards]) for name in FACTS},
        )

    def held_out(self, validation_every: int) -> tuple[np.ndarray, np.ndarray]:
        """Frame numbers of training (N_t,) and validation (N_v,); those of the test split are in neither.

        The validation split of the shards counts. Where they name none, every N-th identity is held out.
        """
        training, validation = self.split == "train", self.split == "validation"
        if not validation.any():
            validation = training & (self.identity % validation_every == validation_every - 1)
            training &= ~validation
        return np.flatnonzero(training), np.flatnonzero(validation)


def number(parts: Sequence[np.ndarray]) -> np.ndarray:
    """(N,) int64 of texts in parts: their values if those are numbers and differ, else their positions in order."""
    uniques = [np.unique(part, return_inverse=True) for part in parts]
    names = sorted({name for unique, _ in uniques for name in unique.tolist()})
    by_value = all(name.isdecimal() and len(name) < 18 for name in names)
    by_value = by_value and len({int(name) for name in names}) == len(names)  # "7" and "007" are two people
    numbers = {name: int(name) if by_value else position for position, name in enumerate(names)}
    return np.concatenate([np.array([numbers[name] for name in unique.tolist()])[where] for unique, where in uniques])
