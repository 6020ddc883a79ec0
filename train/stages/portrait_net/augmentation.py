"""Augmentation of portraits that keeps images and truth consistent."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusionact.perception.portrait_net import BACKGROUND

from .batches import PortraitBatch

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
# Displacement of the truth where face and eyes are cut out in training, in extents of the landmarks.
CROP_SHIFT = 0.02
CROP_ZOOM = 0.06


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


def displace(landmarks: Tensor, generator: torch.Generator) -> Tensor:
    """Landmarks (B, 68, 2), each image's shifted and zoomed a little, as a trained network finds them."""
    centre = landmarks.mean(1, keepdim=True)
    extent = (landmarks.amax(1, keepdim=True) - landmarks.amin(1, keepdim=True)).mean(-1, keepdim=True)
    shift = CROP_SHIFT * extent * torch.randn(len(landmarks), 1, 2, generator=generator)
    zoom = 1 + CROP_ZOOM * torch.randn(len(landmarks), 1, 1, generator=generator)
    return centre + zoom * (landmarks - centre) + shift
