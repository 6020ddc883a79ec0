"""Which frames a training step sees: a fixed function of seed, step and process, so that a resumed run is exact."""

from __future__ import annotations

import math

import numpy as np
import torch

from diffusionact.face.geometry.rotations import head_pose_to_matrix


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
        return np.array([self._frame(position) for position in self.positions(index)])

    def positions(self, index: int) -> range:
        """Positions of the batch's frames in the order of the run; batches of all processes follow each other in it."""
        first = (index * self.num_processes + self.process) * self.batch_size
        return range(first, first + self.batch_size)

    def _frame(self, position: int) -> int:
        epoch, offset = divmod(position, len(self.frames))
        shuffled = self._shuffled  # one look: another thread may be at another epoch
        if shuffled[0] != epoch:
            generator = np.random.default_rng([self.seed, epoch])
            shuffled = self._shuffled = (epoch, generator.permutation(self.frames))
        return int(shuffled[1][offset])


class PairOrder:
    """Source and target frames of the same person; the target is any frame of it, now and then the source itself.

    With a distance, the target is any frame whose head is turned that far from the source's; where a group has none, it
    is the frame that comes nearest to it. Roll is counted too, which hardly occurs in aligned images.

    Args:
        identity: (N,) group that a pair shares, of every frame of the data: number of the person, or of the video.
        order: gives the sources.
        head_pose: (N, 3) yaw, pitch, roll in degrees of every frame; only needed for a distance.
        distance_min: smallest turn between the two heads, degrees.
        distance_max: largest turn, degrees; None is no limit.
    """

    def __init__(
        self,
        identity: np.ndarray,
        order: FrameOrder,
        head_pose: np.ndarray | None = None,
        distance_min: float = 0.0,
        distance_max: float | None = None,
    ):
        self.order = order
        self._identity = identity
        by_identity = order.frames[np.argsort(identity[order.frames], kind="stable")]
        people, starts = np.unique(identity[by_identity], return_index=True)
        self._members = dict(zip(people.tolist(), np.split(by_identity, starts[1:]), strict=True))
        self._distance = (distance_min, math.inf if distance_max is None else distance_max)
        self._rotation = None
        if self._distance != (0.0, math.inf):
            if head_pose is None:
                raise ValueError("Expected head poses for pairs at a distance, received none. Pass head_pose.")
            self._rotation = head_pose_to_matrix(torch.from_numpy(head_pose)).numpy()

    def batch(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(B,) sources and (B,) targets of this process's batch number `index`."""
        sources = self.order.batch(index)
        # A generator for each position, so that the pairs do not depend on how many processes share the order.
        generators = [np.random.default_rng([self.order.seed, position, 1]) for position in self.order.positions(index)]
        return sources, np.array([g.choice(self._candidates(s)) for g, s in zip(generators, sources, strict=True)])

    def _candidates(self, source: int) -> np.ndarray:
        members = self._members[int(self._identity[source])]
        if self._rotation is None:
            return members
        low, high = self._distance
        turn = rotation_distance(self._rotation[source], self._rotation[members])
        excess = np.maximum(low - turn, turn - high)
        return members[excess <= max(0.0, excess.min())]


def rotation_distance(first: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Angles (M,) in degrees, 0 to 180, of the turns between a rotation (3, 3) and others (M, 3, 3)."""
    cosine = (np.einsum("ij,mij->m", first, others) - 1) / 2
    return np.degrees(np.arccos(cosine.clip(-1, 1)))


def held_out_pairs(identity: np.ndarray, frames: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Up to `count` fixed pairs of two different frames of one person.

    Args:
        identity: (N,) group that a pair shares, of every frame of the data: number of the person, or of the video.
        frames: frame numbers to draw from.
        count: how many pairs.
        seed: of the choice.

    Returns:
        (P,) sources and (P,) targets, at least one.

    Raises:
        ValueError: if no group has two frames.
    """
    generator = np.random.default_rng([seed, 2])
    sources, targets = [], []
    for person in generator.permutation(np.unique(identity[frames])):
        members = frames[identity[frames] == person]
        if len(members) > 1 and len(sources) < count:
            source, target = generator.choice(members, 2, replace=False)
            sources.append(source)
            targets.append(target)
    if not sources:
        raise ValueError(
            f"Expected a held-out video of at least two frames, received {len(frames)} frames of as many videos. "
            "Prepare more frames a video, or hold out others with data.validation_every."
        )
    return np.array(sources, dtype=np.int64), np.array(targets, dtype=np.int64)
