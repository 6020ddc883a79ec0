"""Smoothing over time without looking ahead: the One Euro filter, and its use on tracked faces.

Source: Casiez, Roussel and Vogel, "1 Euro Filter", CHI 2012: a low-pass filter whose cutoff grows with the speed of the
signal, so that stillness is smooth and motion is not late.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...types import FaceObservation

SPEED_CUTOFF_HZ = 1.0
# Cutoff at rest: strength 0 passes nearly everything, strength 1 is the smoothest.
MAX_CUTOFF_HZ = 12.0
SLOWEST_CUTOFF_HZ = 0.5


class OneEuroFilter:
    """Filter a signal of any shape, entry by entry, one sample a call.

    Args:
        rate: samples per second.
        min_cutoff: cutoff of a signal at rest, Hz.
        beta: growth of the cutoff with speed, Hz per (unit per second).
    """

    def __init__(self, rate: float, min_cutoff: float, beta: float):
        self.rate = rate
        self.min_cutoff = min_cutoff
        self.beta = beta
        self._value: Tensor | None = None
        self._speed: Tensor | None = None

    def __call__(self, sample: Tensor) -> Tensor:
        """The filtered sample; the first one comes back as it is."""
        if self._value is None or self._speed is None:
            self._value, self._speed = sample, torch.zeros_like(sample)
            return sample
        speed = (sample - self._value) * self.rate
        self._speed = torch.lerp(self._speed, speed, self._share(torch.full_like(sample, SPEED_CUTOFF_HZ)))
        cutoff = self.min_cutoff + self.beta * self._speed.abs()
        self._value = torch.lerp(self._value, sample, self._share(cutoff))
        return self._value

    def _share(self, cutoff: Tensor) -> Tensor:
        """Share of the new sample: 1 / (1 + tau rate), tau = 1 / (2 pi cutoff)."""
        return 1.0 / (1.0 + self.rate / (2 * math.pi * cutoff))


@dataclass(frozen=True)
class _Channel:
    """One smoothed field: its speed response, and the unit its speed is measured in ("face" is the face's width)."""

    field: str
    beta: float
    in_face_widths: bool = False


# A cutoff of MAX_CUTOFF_HZ is reached at: 1.5 face widths, 150 degrees, 4 radians, 6 full expressions per second.
# Eyes are quicker.
_CHANNELS = (
    _Channel("landmarks", 8.0, in_face_widths=True),
    _Channel("pupils", 16.0, in_face_widths=True),
    _Channel("head_pose", 0.08),
    _Channel("gaze", 3.0),
    _Channel("expression", 2.0),
)


def smooth_observations(
    observations: Iterable[FaceObservation], rate: float, strength: float
) -> Iterator[FaceObservation]:
    """Smooth a stream of tracked faces; yields one row at a time, however many rows came together.

    A frame's result depends on the frames before it only. Angles are followed across +-180 degrees.

    Args:
        observations: of one or more rows each, in order.
        rate: frames per second.
        strength: 0 (barely) to 1 (strong).
    """
    cutoff = MAX_CUTOFF_HZ * (SLOWEST_CUTOFF_HZ / MAX_CUTOFF_HZ) ** strength
    filters = {channel.field: OneEuroFilter(rate, cutoff, channel.beta) for channel in _CHANNELS}
    last_pose: Tensor | None = None
    for batch in observations:
        for row in range(len(batch.found)):
            observation = _row(batch, row)
            if last_pose is not None:
                observation = replace(observation, head_pose=_unwrap(observation.head_pose, last_pose))
            last_pose = observation.head_pose
            yield _smooth(observation, filters)


def _smooth(observation: FaceObservation, filters: dict[str, OneEuroFilter]) -> FaceObservation:
    width = observation.landmarks[:, :, 0].amax() - observation.landmarks[:, :, 0].amin()
    changes = {}
    for channel in _CHANNELS:
        # The unit enters through beta, so that the value itself is not rescaled as the face grows.
        smoother = filters[channel.field]
        smoother.beta = channel.beta / float(width.clamp(min=1.0)) if channel.in_face_widths else channel.beta
        changes[channel.field] = smoother(getattr(observation, channel.field))
    changes["head_pose"] = torch.remainder(changes["head_pose"] + 180.0, 360.0) - 180.0
    return replace(observation, **changes)


def _row(batch: FaceObservation, row: int) -> FaceObservation:
    values = {name: getattr(batch, name)[row : row + 1] for name in batch.__dataclass_fields__}
    return FaceObservation(**values)


def _unwrap(angles_deg: Tensor, last_deg: Tensor) -> Tensor:
    """The same angles, each within 180 degrees of the one before."""
    return last_deg + torch.remainder(angles_deg - last_deg + 180.0, 360.0) - 180.0
