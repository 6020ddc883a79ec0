"""What a tracker sees in a reenacted frame, beside what that frame was asked to show, in the same pixels and units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from .. import images
from ..face.geometry.alignment import invert_transform, transform_points
from ..face.readers.open.face_model import ALIGNED_SIZE, OpenFaceModel
from ..face.readers.open.tracking import OpenFaceTracker
from ..face.readers.reader import FaceReader
from ..pipelines import ReenactedFrame


@dataclass(frozen=True)
class SeenFace:
    """A face in an output frame, and the asked landmarks in the same frame.

    Attributes:
        head_pose: (1, 3) yaw, pitch, roll in degrees.
        jaw_open: (1,) in the unit of the tracker's face model.
        landmarks, asked: (68, 2) px of one square.
        shape: (1, K) identity coefficients.
    """

    head_pose: Tensor
    jaw_open: Tensor
    landmarks: Tensor
    asked: Tensor
    shape: Tensor


class OutputTracker(Protocol):
    """Looks at output frames."""

    def look(self, frame: ReenactedFrame) -> SeenFace:
        """The face in an output frame.

        Raises:
            NoFaceFoundError: if there is none.
        """


class OpenOutputTracker:
    """The bundled tracker in the output image; for readers with the open face model."""

    def __init__(self, faces: FaceReader, device: object):
        self.faces = faces
        self.face_model = OpenFaceModel.from_bundled().to(device)
        self.tracker = OpenFaceTracker("largest", "error").to(device)

    def look(self, frame: ReenactedFrame) -> SeenFace:
        """See `OutputTracker`; landmarks are px of the aligned image of 256 px."""
        # The tracker likes 256 px; small models are enlarged for it.
        large = images.resize(frame.image, ALIGNED_SIZE)
        seen = self.tracker.observe(images.model_to_uint8(large))
        fitted = self.face_model.fit(seen.landmarks, seen.expression, seen.head_pose, ALIGNED_SIZE)
        # From the model's landmark frame back to the image that the driver was seen in.
        to_aligned = invert_transform(frame.pose.frame.matrix)
        return SeenFace(
            head_pose=seen.head_pose,
            jaw_open=self.face_model.jaw_open(seen.expression),
            landmarks=seen.landmarks[0],
            asked=transform_points(to_aligned, frame.pose.landmarks)[0].to(seen.landmarks),
            shape=fitted.shape,
        )


class SameOutputTracker:
    """The reader that drove looks at the output too; for readers with a face model of their own.

    The crop of the output is not that of the driver, so both faces are compared as drawn in their own crops.
    """

    def __init__(self, faces: FaceReader):
        self.faces = faces

    def look(self, frame: ReenactedFrame) -> SeenFace:
        """See `OutputTracker`; landmarks are px of the crop."""
        large = images.resize(frame.image, ALIGNED_SIZE)
        seen = self.faces.read_source(images.model_to_uint8(large)[0], "largest").face.coefficients
        model = self.faces.face_model
        return SeenFace(
            head_pose=model.head_pose(seen.rotation),
            jaw_open=model.jaw_open(seen.expression),
            landmarks=model.landmarks(seen, model.camera_size)[0],
            asked=model.landmarks(frame.pose.coefficients, model.camera_size)[0],
            shape=seen.shape,
        )


def output_tracker(faces: FaceReader, device: object) -> OutputTracker:
    """What looks at the output of a pipeline that reads faces with `faces`."""
    return OpenOutputTracker(faces, device) if faces.face_model.name == "open" else SameOutputTracker(faces)
