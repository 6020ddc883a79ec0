"""Faces of a live stream: one frame in, its face out at once, or None; nothing waits for a later frame."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ..errors import NoFaceFoundError
from ..pose.options import PoseOptions
from .reader import CroppedFace, FaceReader

# Nothing is filled in, smoothed or followed: each frame is a clip of its own.
SINGLE_FRAME = PoseOptions(face="largest", missing="error", smoothing=0.0)
ANY_RATE_HZ = 25.0  # of a clip of one frame


class FaceFollower(Protocol):
    """Reads frame after frame of a live stream."""

    def __call__(self, frame: Tensor, seconds: float) -> CroppedFace | None:
        """The face of a frame uint8 (H, W, 3), one row; None where it shows none.

        Args:
            frame: the newest one.
            seconds: since the frame before, above 0.
        """

    def recentre(self) -> None:
        """Count the next face as standing in the middle of its crop."""


def make_follower(reader: FaceReader) -> FaceFollower:
    """The reader's own follower (its method `make_follower`), or one that reads each frame as if it were the only one.

    The latter crops every frame anew, so that roll and travel of the head are not carried over.
    """
    make_own = getattr(reader, "make_follower", None)
    return _FrameByFrame(reader) if make_own is None else make_own()


class _FrameByFrame:
    """Follows with what every reader has."""

    def __init__(self, reader: FaceReader):
        self._reader = reader

    @torch.no_grad()
    def __call__(self, frame: Tensor, seconds: float) -> CroppedFace | None:
        try:
            return next(self._reader.read([frame.to(self._reader.device)], SINGLE_FRAME, ANY_RATE_HZ))
        except NoFaceFoundError:
            return None

    def recentre(self) -> None:
        """Every crop is centred."""
