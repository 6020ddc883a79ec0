"""In which poses a pair's source should be rendered.

Self reenactment: those of the driving frames themselves, for they show the same person. Another person: the source's
face shape with the driver's expression, head pose and gaze, by the open face model (the paper's Eq. 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..face.expression_names import EXPRESSION_NAMES
from ..face.geometry.resize import resize_points, resize_transform
from ..face.pose.retargeting import face_pose, recombine
from ..face.readers.open.face_model import OpenFaceModel
from ..types import CropTransform, FacePose, map_tensors
from .frame_set import FrameSet
from .observer import OBSERVED_SIZE, FrameSetObserver, Seen
from .protocols import Pair


@dataclass(frozen=True)
class Target:
    """What to render for a pair. Points are px of the frame set's images.

    Attributes:
        driving: rows of the frame set that can be used: all, but for drivers of another person without a face.
        own: the source's own pose, one row.
        wanted: a pose for every driving frame.
    """

    driving: tuple[int, ...]
    own: FacePose
    wanted: FacePose


class TargetMaker:
    """Makes targets, each once.

    Args:
        frames: the true frames.
        observer: reads drivers and sources of different people.
    """

    def __init__(self, frames: FrameSet, observer: FrameSetObserver):
        self.frames = frames
        self.observer = observer
        self.face_model = OpenFaceModel.from_bundled()
        self._made: dict[Pair, Target] = {}

    def __call__(self, pair: Pair) -> Target:
        """The target of a pair; without driving frames where the source or all drivers show no face."""
        if pair not in self._made:
            self._made[pair] = self._make(pair)
        return self._made[pair]

    def _make(self, pair: Pair) -> Target:
        own = self.true_poses([pair.source])
        if pair.is_same_person:
            return Target(pair.driving, own, self.true_poses(pair.driving))
        source_seen = self.observer.look_at_true_frames([pair.source])
        seen = self.observer.look_at_true_frames(pair.driving)
        driving = tuple(row for row, found in zip(pair.driving, seen.found, strict=True) if found)
        if not source_seen.found or not driving:
            return Target((), own, map_tensors(own, lambda tensor: tensor[:0]))
        return Target(driving, own, self._retarget(source_seen, self.observer.look_at_true_frames(driving)))

    def true_poses(self, rows: Sequence[int]) -> FacePose:
        """The poses of frames by the facts beside them; the coefficients are fitted to these."""
        frames, rows = self.frames, list(rows)
        landmarks = resize_points(frames.landmarks[rows], frames.size, OBSERVED_SIZE)
        expression, head_pose = named_expression(frames, rows), frames.head_pose[rows]
        return FacePose(
            landmarks=frames.landmarks[rows],
            pupils=frames.pupils[rows],
            head_pose=head_pose,
            gaze=frames.gaze[rows],
            found=torch.ones(len(rows), dtype=torch.bool),
            coefficients=self.face_model.fit(landmarks, expression, head_pose, OBSERVED_SIZE),
            frame=self._frame(len(rows)),
        )

    def _retarget(self, source: Seen, driving: Seen) -> FacePose:
        """The source's shape in the driver's poses."""
        model = self.face_model
        own, theirs = (
            model.fit(seen.landmarks, seen.expression, seen.head_pose, OBSERVED_SIZE) for seen in (source, driving)
        )
        frame = self._frame(len(driving.found))
        return face_pose(model, recombine(model, own, theirs), driving.gaze, driving.found, frame)

    def _frame(self, count: int) -> CropTransform:
        """From the model's camera, which sees the aligned image at the size that was observed, to the images' px."""
        matrix = resize_transform(OBSERVED_SIZE, self.frames.size)
        return CropTransform(matrix.expand(count, 2, 3), self.frames.size)


def named_expression(frames: FrameSet, rows: Sequence[int]) -> Tensor:
    """The values of `EXPRESSION_NAMES` (F, 52) of frames; 0 for those that the data does not know."""
    known = {name: column for column, name in enumerate(frames.expression_names)}
    expression = torch.zeros(len(rows), len(EXPRESSION_NAMES))
    for index, name in enumerate(EXPRESSION_NAMES):
        if name in known:
            expression[:, index] = frames.expression[list(rows), known[name]]
    return expression
