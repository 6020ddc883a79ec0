"""Batches of images with their exact truth, and the order in which people are seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusionact.images import uint8_to_model
from diffusionact.perception.portrait_net import FACE, NUM_EXPRESSIONS

from ...data.frames import Frames


@dataclass(frozen=True)
class PortraitBatch:
    """B images and what they show.

    Attributes:
        images: (B, 3, H, H) in [-1, 1].
        regions: (B, 3, H, H) share of background, person and face in each pixel.
        landmarks: (B, 68, 2) px.
        head_pose: (B, 3) degrees.
        gaze: (B, 2) radians.
        expression: (B, 52) in [0, 1].
        identity: (B,) numbers of the people.
    """

    images: Tensor
    regions: Tensor
    landmarks: Tensor
    head_pose: Tensor
    gaze: Tensor
    expression: Tensor
    identity: Tensor


class PortraitFrames:
    """Frames as batches of truth.

    Args:
        frames: decoded frames.
        rows: numbers of the frames to use.

    Attributes:
        several: rows of each person who has at least two.
    """

    def __init__(self, frames: Frames, rows: np.ndarray):
        self.frames, self.rows = frames, rows
        self.targets = frames.targets()
        by_person = (rows[frames.identity[rows] == person] for person in np.unique(frames.identity[rows]))
        self.several = [own for own in by_person if len(own) > 1]

    def batch(self, rows: np.ndarray) -> PortraitBatch:
        """The frames of these numbers, as rendered."""
        labels = self.frames.images("region", rows).clamp(max=FACE).long()  # eyes and mouth belong to the face
        points, head_pose, gaze, expression = self.targets[rows].split([136, 3, 2, NUM_EXPRESSIONS], dim=1)
        return PortraitBatch(
            images=uint8_to_model(self.frames.images("image", rows)),
            regions=F.one_hot(labels, 3).permute(0, 3, 1, 2).float(),
            landmarks=points.reshape(-1, 68, 2),
            head_pose=head_pose,
            gaze=gaze,
            expression=expression,
            identity=torch.from_numpy(self.frames.identity[rows]),
        )

    def pairs(self, people: int, rng: np.random.Generator) -> PortraitBatch:
        """Two frames each of so many people, side by side.

        Raises:
            ValueError: if there are not so many people with two frames.
        """
        self.check_people(people)
        return self.batch(two_frames_each([self.several[k] for k in rng.permutation(len(self.several))[:people]], rng))

    def check_people(self, people: int) -> None:
        """Raise ValueError unless so many people have two frames."""
        if not 0 < people <= len(self.several):
            raise ValueError(
                f"Expected {max(people, 1)} people with two frames each for a batch, received {len(self.several)}. "
                "Lower loop.batch_size or take more data."
            )

    def in_order(self, batch_size: int) -> Iterator[PortraitBatch]:
        """All frames once."""
        for start in range(0, len(self.rows), batch_size):
            yield self.batch(self.rows[start : start + batch_size])


class PeopleOrder:
    """Every person once an epoch, two frames each; a fixed function of seed and number of the batch.

    Args:
        frames: of the training people.
        people: in a batch.
        seed: of the run.

    Raises:
        ValueError: if there are not so many people with two frames.
    """

    def __init__(self, frames: PortraitFrames, people: int, seed: int):
        frames.check_people(people)
        self.frames, self.people, self.seed = frames, people, seed

    def rows(self, number: int) -> np.ndarray:
        """(2 P,) frame numbers of batch `number`, counted over all processes; a person's two lie side by side."""
        several = self.frames.several
        epoch, position = divmod(number, len(several) // self.people)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(several))
        chosen = order[position * self.people : (position + 1) * self.people]
        return two_frames_each([several[k] for k in chosen], np.random.default_rng([self.seed, number, 1]))


def two_frames_each(people: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """(2 P,) two of each person's frame numbers."""
    return np.concatenate([rng.choice(own, 2, replace=False) for own in people])
