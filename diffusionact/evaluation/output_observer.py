"""What is seen in a reenacted frame, beside what that frame should show, in the same pixels and units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..face.errors import NoFaceFoundError
from ..face.geometry.alignment import invert_transform, transform_points
from ..face.readers.open.face_model import ALIGNED_SIZE, OpenFaceModel
from ..face.readers.reader import FaceReader
from ..images import model_to_uint8, resize
from ..pipelines import ReenactedFrame
from .observer import OBSERVED_SIZE, Observer


@dataclass(frozen=True)
class SeenOutput:
    """The face of an output frame, and what was asked for.

    Attributes:
        motion, wanted_motion: (3,) yaw and pitch in degrees, jaw in the unit of the reader's face model.
        landmarks, wanted_landmarks: (68, 2) px of one square.
        shape: (1, K) identity coefficients of the reader's face model.
    """

    motion: Tensor
    wanted_motion: Tensor
    landmarks: Tensor
    wanted_landmarks: Tensor
    shape: Tensor


class OutputObserver(Protocol):
    """Looks at output frames."""

    def look(self, frame: ReenactedFrame) -> SeenOutput | None:
        """The face of an output frame; None where there is none."""


class OpenOutputObserver:
    """The observer of an evaluation; for readers whose cameras lie in the aligned image.

    Args:
        face_reader: drove the frames; its face model is the open one.
        device: where the networks run.
    """

    def __init__(self, face_reader: FaceReader, device: torch.device):
        self.wanted_model = face_reader.face_model
        self.observer = Observer(None, device)
        self.face_model = OpenFaceModel.from_bundled()

    def look(self, frame: ReenactedFrame) -> SeenOutput | None:
        """See `OutputObserver`; landmarks are px of the aligned image of 256 px."""
        seen = self.observer.look(frame.image)
        if not seen.found:
            return None
        fitted = self.face_model.fit(seen.landmarks, seen.expression, seen.head_pose, OBSERVED_SIZE)
        # From the model's landmark frame back to the image that the driver was seen in.
        to_aligned = invert_transform(frame.pose.frame.matrix)
        return SeenOutput(
            motion=_motion(seen.head_pose, self.face_model.jaw_open(seen.expression)),
            wanted_motion=_wanted_motion(frame, self.wanted_model.jaw_open(frame.pose.expression)),
            landmarks=seen.landmarks[0],
            wanted_landmarks=transform_points(to_aligned, frame.pose.landmarks)[0].to(seen.landmarks),
            shape=fitted.shape,
        )


class ReaderOutputObserver:
    """The reader that drove looks at the output too; for readers whose cameras lie in a crop of their own.

    The crop of the output is not that of the driver, so both faces are compared as drawn in their own crops.

    Args:
        face_reader: drove the frames.
    """

    def __init__(self, face_reader: FaceReader):
        self.face_reader = face_reader

    def look(self, frame: ReenactedFrame) -> SeenOutput | None:
        """See `OutputObserver`; landmarks are px of the crop."""
        image = model_to_uint8(resize(frame.image, ALIGNED_SIZE))[0]
        try:
            seen = self.face_reader.read_source(image, "largest").face.coefficients
        except NoFaceFoundError:
            return None
        model = self.face_reader.face_model
        return SeenOutput(
            motion=_motion(model.head_pose(seen.rotation), model.jaw_open(seen.expression)),
            wanted_motion=_wanted_motion(frame, model.jaw_open(frame.pose.expression)),
            landmarks=model.landmarks(seen, model.camera_size)[0],
            wanted_landmarks=model.landmarks(frame.pose.coefficients, model.camera_size)[0],
            shape=seen.shape,
        )


def output_observer(face_reader: FaceReader, device: torch.device) -> OutputObserver:
    """What looks at the output of a pipeline that reads faces with `face_reader`."""
    if face_reader.face_model.name == OpenFaceModel.name:
        return OpenOutputObserver(face_reader, device)
    return ReaderOutputObserver(face_reader)


def _motion(head_pose: Tensor, jaw: Tensor) -> Tensor:
    """(3,) of head poses (1, 3) and jaws (1,)."""
    return torch.cat([head_pose[0, :2], jaw]).cpu()


def _wanted_motion(frame: ReenactedFrame, jaw: Tensor) -> Tensor:
    return _motion(frame.pose.head_pose, jaw)
