"""Which frames a training step sees: a fixed function of seed, step and process, so that a resumed run is exact."""

from __future__ import annotations

import numpy as np


class FrameOrder:
    """Every frame once an epoch, shuffled anew every epoch, dealt out to the processes in turn.

    Args:
        frames: (N,) frame numbers to draw from.
        batch_size: frames of one process in one forward pass.
        num_processes: processes that share the order.
        process: number of this process.
        seed: of the shuffling.
    """

    def __init__(self, frames: np.ndarray, batch_size: int, num_processes: int = 1, process: int = 0, seed: int = 0):
        self.frames = frames
        self.batch_size = batch_size
        self.num_processes = num_processes
        self.process = process
        self.seed = seed
        self._shuffled: tuple[int, np.ndarray] = (-1, frames)

    def batch(self, index: int) -> np.ndarray:
        """(B,) frame numbers of this process's batch number `index`."""
        first = (index * self.num_processes + self.process) * self.batch_size
        return np.array([self._frame(position) for position in range(first, first + self.batch_size)])

    def _frame(self, position: int) -> int:
        epoch, offset = divmod(position, len(self.frames))
        if self._shuffled[0] != epoch:
            generator = np.random.default_rng([self.seed, epoch])
            self._shuffled = (epoch, generator.permutation(self.frames))
        return int(self._shuffled[1][offset])


class PairOrder:
    """Source and target frames of the same identity; the target is any frame of it, now and then the source itself.

    Args:
        identity: (N,) number of the person of every frame of the data.
        order: gives the sources.
    """

    def __init__(self, identity: np.ndarray, order: FrameOrder):
        self.order = order
        self._identity = identity
        by_identity = order.frames[np.argsort(identity[order.frames], kind="stable")]
        people, starts = np.unique(identity[by_identity], return_index=True)
        self._members = dict(zip(people.tolist(), np.split(by_identity, starts[1:]), strict=True))

    def batch(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(B,) sources and (B,) targets of this process's batch number `index`."""
        sources = self.order.batch(index)
        generator = np.random.default_rng([self.order.seed, index, self.order.process, 1])
        targets = [generator.choice(self._members[int(self._identity[source])]) for source in sources]
        return sources, np.array(targets)


def held_out_pairs(identity: np.ndarray, frames: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Up to `count` fixed pairs of two different frames of one identity.

    Args:
        identity: (N,) number of the person of every frame of the data.
        frames: frame numbers to draw from.
        count: how many pairs.
        seed: of the choice.

    Returns:
        (P,) sources and (P,) targets.
    """
    generator = np.random.default_rng([seed, 2])
    sources, targets = [], []
    for person in generator.permutation(np.unique(identity[frames])):
        members = frames[identity[frames] == person]
        if len(members) > 1 and len(sources) < count:
            source, target = generator.choice(members, 2, replace=False)
            sources.append(source)
            targets.append(target)
    return np.array(sources, dtype=np.int64), np.array(targets, dtype=np.int64)
