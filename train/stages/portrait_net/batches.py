"""Batches of images with their exact truth, and the augmentation that keeps both consistent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusionact.images import uint8_to_model
from diffusionact.perception.portrait_net import BACKGROUND, FACE, NUM_EXPRESSIONS
from train.data.frames import Frames

# Strengths of the augmentation.
MOVED = 0.5  # share of images that are scaled and shifted
MAX_ZOOM = 0.12
MAX_SHIFT = 0.06  # of the side
OTHER_BACKGROUND = 0.4  # share of images put before another background: a person is not known by a wall
DEGRADED = 0.4  # share of images softened by resizing, as generated ones are soft
MIN_DETAIL = 0.35  # side of the smallest resize, of the image's
NOISE = 0.05  # largest deviation
COLOUR = 0.12  # largest change of a channel's gain
LIGHT = 0.2  # largest change of gain and offset


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

    def pairs(self, people: int, rng: np.random.Generator) -> Iterator[PortraitBatch]:
        """Endless batches of two frames each of so many people, side by side; every person comes once an epoch.

        Raises:
            ValueError: if there are not so many people with two frames.
        """
        if not 0 < people <= len(self.several):
            raise ValueError(
                f"Expected {max(people, 1)} people with two frames each for a batch, received {len(self.several)}. "
                "Lower --people or take more data."
            )
        while True:
            order = rng.permutation(len(self.several))
            for start in range(0, len(order) - people + 1, people):
                chosen = [rng.choice(self.several[k], 2, replace=False) for k in order[start : start + people]]
                yield self.batch(np.concatenate(chosen))

    def in_order(self, batch_size: int) -> Iterator[PortraitBatch]:
        """All frames once."""
        for start in range(0, len(self.rows), batch_size):
            yield self.batch(self.rows[start : start + batch_size])


def augment(batch: PortraitBatch, generator: torch.Generator) -> PortraitBatch:
    """Move, replace backgrounds, change light and colour, soften, add noise; the truth moves along."""
    batch = _move(batch, generator)
    images = _replace_background(batch.images, batch.regions, generator)
    images = _recolour(images, generator)
    images = _soften(images, generator)
    # One noise image for the batch, of another strength in each, is as good as many and costs less.
    deviation = torch.rand(len(images), 1, 1, 1, generator=generator) * NOISE
    images = images + deviation * torch.randn(images.shape[1:], generator=generator)
    return replace(batch, images=images.clamp(-1, 1))


def _symmetric(shape: tuple[int, ...], largest: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(shape, generator=generator) * 2 - 1) * largest


def _chosen(count: int, share: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=generator) < share)[:, None, None, None]


def _move(batch: PortraitBatch, generator: torch.Generator) -> PortraitBatch:
    """Zoom and shift; a head's turn stays what it is."""
    count, size = len(batch.images), batch.images.shape[-1]
    moved = _chosen(count, MOVED, generator)[:, 0, 0].float()
    zoom = 1 + moved * _symmetric((count, 1), MAX_ZOOM, generator)
    shift = moved * _symmetric((count, 2), 2 * MAX_SHIFT, generator)  # in half sides
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1 / zoom[:, 0]
    matrix[:, :, 2] = -shift / zoom
    stacked = torch.cat([batch.images, batch.regions], dim=1)
    grid = F.affine_grid(matrix, list(stacked.shape), align_corners=False)
    stacked = F.grid_sample(stacked, grid, padding_mode="border", align_corners=False)
    norm = (batch.landmarks + 0.5) * (2 / size) - 1
    landmarks = ((norm * zoom[:, None] + shift[:, None]) + 1) * (size / 2) - 0.5
    return replace(batch, images=stacked[:, :3], regions=stacked[:, 3:], landmarks=landmarks)


def _replace_background(images: Tensor, regions: Tensor, generator: torch.Generator) -> Tensor:
    """Another image of the batch, turned over, shows where the background was."""
    other = images.roll(int(torch.randint(1, len(images), (1,), generator=generator)), 0).flip(2)
    share = regions[:, BACKGROUND, None] * _chosen(len(images), OTHER_BACKGROUND, generator)
    return images + share * (other - images)


def _recolour(images: Tensor, generator: torch.Generator) -> Tensor:
    count = len(images)
    gain = 1 + _symmetric((count, 1, 1, 1), LIGHT, generator) + _symmetric((count, 3, 1, 1), COLOUR, generator)
    return images * gain + _symmetric((count, 1, 1, 1), LIGHT, generator)


def _soften(images: Tensor, generator: torch.Generator) -> Tensor:
    """One size for the whole batch, so that it stays one call."""
    size = images.shape[-1]
    detail = MIN_DETAIL + (0.9 - MIN_DETAIL) * torch.rand(1, generator=generator).item()
    small = F.interpolate(images, size=round(size * detail), mode="bilinear", antialias=True, align_corners=False)
    soft = F.interpolate(small, size=size, mode="bilinear", align_corners=False)
    return torch.where(_chosen(len(images), DEGRADED, generator), soft, images)
