"""Where the landmarks of a re-enacted face shall lie, for a pair of source and driver.

Self reenactment: the driving frame's own landmarks, for it is the same person. Another person: the source's face shape
with the driver's expression, head pose and gaze, by the open face model (the paper's Eq. 8).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..face.geometry.resize import resize_transform
from ..face.pose.retargeting import face_pose, recombine
from ..face.readers.open.face_model import OpenFaceModel
from ..types import CropTransform
from .frame_set import FrameSet
from .observer import OBSERVED_SIZE, Observer, Seen
from .protocols import Pair


@dataclass(frozen=True)
class Target:
    """What to render for a pair.

    Attributes:
        driving: rows of the frame set that can be used: all, but for drivers of another person without a face.
        own_landmarks, own_pupils: (1, 68, 2), (1, 2, 2) px of the frame set's images, of the source.
        landmarks, pupils: (F, 68, 2), (F, 2, 2) px of the same, wanted.
    """

    driving: tuple[int, ...]
    own_landmarks: Tensor
    own_pupils: Tensor
    landmarks: Tensor
    pupils: Tensor


class TargetMaker:
    """Makes targets.

    Args:
        frames: the true frames.
        observer: tracks drivers and sources of different people.
    """

    def __init__(self, frames: FrameSet, observer: Observer):
        self.frames = frames
        self.observer = observer
        self.face_model = OpenFaceModel.from_bundled()

    def __call__(self, pair: Pair) -> Target:
        """The target of a pair; without driving frames where the source or all drivers show no face."""
        frames, source = self.frames, [pair.source]
        own = frames.landmarks[source], frames.pupils[source]
        if pair.is_same_person:
            rows = list(pair.driving)
            return Target(pair.driving, *own, frames.landmarks[rows], frames.pupils[rows])
        source_seen = self.observer.look_at_true_frames(source)
        seen = self.observer.look_at_true_frames(pair.driving)
        driving = tuple(row for row, found in zip(pair.driving, seen.found, strict=True) if found)
        if not source_seen.found or not driving:
            return Target((), *own, own[0][:0], own[1][:0])
        return Target(driving, *own, *self._retarget(source_seen, self.observer.look_at_true_frames(driving)))

    def _retarget(self, source: Seen, driving: Seen) -> tuple[Tensor, Tensor]:
        """Landmarks and pupils in px of the frame set's images."""
        model = self.face_model
        own, theirs = (
            model.fit(seen.landmarks, seen.expression, seen.head_pose, OBSERVED_SIZE) for seen in (source, driving)
        )
        # The model's camera sees the aligned image at the size that the tracker saw.
        matrix = resize_transform(OBSERVED_SIZE, self.frames.size).expand(len(driving.found), 2, 3)
        frame = CropTransform(matrix, self.frames.size)
        pose = face_pose(model, recombine(model, own, theirs), driving.gaze, driving.found, frame)
        return pose.landmarks, pose.pupils
