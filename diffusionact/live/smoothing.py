"""Smoothing of a live face with little delay: the One Euro filter on what poses are made of, at any rate."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..face.readers.reader import CroppedFace
from ..face.readers.smoothing import MAX_CUTOFF_HZ, SLOWEST_CUTOFF_HZ, OneEuroFilter

# Growth of the cutoff, Hz per (unit per second), as in `face/readers/smoothing.py`: full expressions, radians, half
# crops.
BETAS = {"expression": 2.0, "rotation": 4.6, "gaze": 3.0, "camera": 8.0}


class LiveSmoother:
    """Smooths expression, rotation, camera and gaze, face after face.

    Args:
        strength: 0 (off) to 1 (strong).
    """

    def __init__(self, strength: float):
        self._strength = strength
        self.reset()

    def reset(self) -> None:
        """Take the next face as it is."""
        cutoff = MAX_CUTOFF_HZ * (SLOWEST_CUTOFF_HZ / MAX_CUTOFF_HZ) ** self._strength
        self._filters = {name: OneEuroFilter(1.0, cutoff, beta) for name, beta in BETAS.items()}

    def __call__(self, face: CroppedFace, seconds: float) -> CroppedFace:
        """The smoothed face, one row.

        Args:
            face: one row.
            seconds: since the face before, above 0; after a long gap the new face counts almost alone.
        """
        if self._strength == 0:
            return face
        for each in self._filters.values():
            each.rate = 1.0 / seconds
        old = face.coefficients
        coefficients = replace(
            old,
            expression=self._filters["expression"](old.expression),
            rotation=self._filters["rotation"](old.rotation),
            camera=self._camera(old.camera),
        )
        gaze = self._filters["gaze"](face.observation.gaze)
        return replace(face, coefficients=coefficients, observation=replace(face.observation, gaze=gaze))

    def _camera(self, camera: Tensor) -> Tensor:
        """Smooth the logarithm of the scale, and the position on the image, half crops."""
        scale, shift = camera[:, :1], camera[:, 1:]
        smooth = self._filters["camera"](torch.cat([scale.log(), scale * shift], dim=-1))
        scale = smooth[:, :1].exp()
        return torch.cat([scale, smooth[:, 1:] / scale], dim=-1)
