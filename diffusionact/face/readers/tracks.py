"""Which face of a frame is which of the frames before: numbers that stay with people through a clip.

Where a face was last seen counts first, by its points; where people pass each other, and where somebody comes back, the
colours of the head decide. On eight clips of AI-made people the mean colours of a face's nine parts differ by 0.02
within a clip (nine in ten below 0.09) and by 0.19 between clips (nine in ten above 0.10); the shape of the face mesh
tells people apart less well.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..pose.options import PoseOptions
from .choice import FOLLOWING_REACH
from .reader import CroppedFace, FaceReader

# A difference of colours in face sizes of distance.
LOOK_WEIGHT = 4.0
# Colours that differ by more are another person's, who comes for the first time.
MAX_LOOK_DIFFERENCE = 0.12
LOOK_PARTS = 3  # in both directions
LOOK_MARGIN = 0.25  # of a face's size around it
LOOK_SHARE = 0.1  # of a new frame in a person's colours


@dataclass
class _Track:
    """One person: where they were last seen, their movement since the frame before, colours, and how long ago."""

    points: Tensor
    movement: Tensor
    look: Tensor
    missed: int = 0


class FaceTracks:
    """Gives faces their numbers, from 0: those of the first frame largest first, others as they come."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []

    def __len__(self) -> int:
        return len(self._tracks)

    def assign(self, points: Tensor, looks: Tensor) -> list[int]:
        """The numbers of the faces of the next frame.

        Args:
            points: (N, P, 2) px: a mesh each, or the corners of a box; largest face first.
            looks: (N, K) of `head_colours`.
        """
        chosen = self._nearest(points, looks)
        chosen |= self._returned(looks, chosen)
        for face in range(len(points)):
            if face not in chosen:
                chosen[face] = len(self._tracks)
                self._tracks.append(_Track(points[face], torch.zeros_like(points[face, 0]), looks[face]))
        seen = {track: face for face, track in chosen.items()}
        for number, track in enumerate(self._tracks):
            if number in seen:
                self._see(track, points[seen[number]], looks[seen[number]])
            else:
                track.missed += 1
        return [chosen[face] for face in range(len(points))]

    def present(self) -> dict[int, Tensor]:
        """Points (P, 2) px of those that the last frame showed, by number."""
        return {number: track.points for number, track in enumerate(self._tracks) if not track.missed}

    def _nearest(self, points: Tensor, looks: Tensor) -> dict[int, int]:
        """Face -> track of those within reach of where they should be."""
        pairs = []
        for number, track in enumerate(self._tracks):
            expected = track.points + (track.movement if not track.missed else 0.0)
            size = float((track.points.amax(0) - track.points.amin(0)).max().clamp(min=1.0))
            away = (points - expected).norm(dim=-1).mean(-1) / size
            unlike = (looks - track.look).abs().mean(-1)
            for face in (away < FOLLOWING_REACH).nonzero().flatten().tolist():
                pairs.append((float(away[face] + LOOK_WEIGHT * unlike[face]), face, number))
        return _matched(pairs, set())

    def _returned(self, looks: Tensor, taken: dict[int, int]) -> dict[int, int]:
        """Face -> track of those that look like somebody who was elsewhere before, or away."""
        pairs = []
        for number in set(range(len(self._tracks))) - set(taken.values()):
            unlike = (looks - self._tracks[number].look).abs().mean(-1)
            for face in (unlike < MAX_LOOK_DIFFERENCE).nonzero().flatten().tolist():
                pairs.append((float(unlike[face]), face, number))
        return _matched(pairs, set(taken))

    @staticmethod
    def _see(track: _Track, points: Tensor, look: Tensor) -> None:
        track.movement = torch.zeros_like(track.movement) if track.missed else (points - track.points).mean(0)
        track.look = torch.lerp(track.look, look, LOOK_SHARE)
        track.points, track.missed = points, 0


def _matched(pairs: list[tuple[float, int, int]], done: set[int]) -> dict[int, int]:
    """Face -> track, the cheapest pairs first, each once."""
    chosen: dict[int, int] = {}
    for _, face, track in sorted(pairs):
        if face not in done and face not in chosen and track not in chosen.values():
            chosen[face] = track
    return chosen


def head_colours(frame: Tensor, points: Tensor) -> Tensor:
    """(N, 27) mean colours in [0, 1] of nine parts of each head.

    Args:
        frame: uint8 (H, W, 3).
        points: (N, P, 2) px of N faces.
    """
    height, width = frame.shape[:2]
    low, high = points.amin(1), points.amax(1)
    margin = LOOK_MARGIN * (high - low).amax(-1, keepdim=True)
    corners = torch.cat([low - margin, high + margin], dim=-1).round().int().tolist()
    looks = [torch.zeros(0, 3 * LOOK_PARTS**2, device=frame.device)]
    for left, top, right, bottom in corners:
        left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
        part = frame[top : max(bottom, top + 1), left : max(right, left + 1)].permute(2, 0, 1)[None] / 255.0
        looks.append(F.adaptive_avg_pool2d(part, LOOK_PARTS).flatten(1))
    return torch.cat(looks)


class GroupFollower(Protocol):
    """Reads the faces of a clip, frame after frame."""

    def __call__(self, frame: Tensor) -> dict[int, CroppedFace]:
        """Faces, one row each, of the next frame uint8 (H, W, 3), by the numbers of `FaceTracks`."""


def make_group_follower(
    reader: FaceReader, options: PoseOptions, frame_rate: float, wanted: Container[int] | None = None
) -> GroupFollower:
    """The reader's own follower (its method `make_group_follower`), or one that reads each frame by itself.

    The latter does not smooth, and looks for faces anew for each that is wanted.

    Args:
        reader: finds the faces.
        options: smoothing and threshold; of the follower that is made for all readers none.
        frame_rate: of the clip, for the smoothing.
        wanted: numbers of the faces that are read; None reads all.
    """
    make_own = getattr(reader, "make_group_follower", None)
    if make_own is not None:
        return make_own(options, frame_rate, wanted)
    return _FrameByFrame(reader, wanted)


class _FrameByFrame:
    """Follows with what every reader has."""

    def __init__(self, reader: FaceReader, wanted: Container[int] | None):
        self._reader, self._wanted, self._tracks = reader, wanted, FaceTracks()

    @torch.no_grad()
    def __call__(self, frame: Tensor) -> dict[int, CroppedFace]:
        frame = frame.to(self._reader.device)
        corners = self._reader.faces_in(frame).view(-1, 2, 2)
        numbers = self._tracks.assign(corners, head_colours(frame, corners))
        return {
            number: self._reader.read_source(frame, face).face
            for face, number in enumerate(numbers)
            if self._wanted is None or number in self._wanted
        }
