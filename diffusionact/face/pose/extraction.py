"""Driving frames -> poses of the source: reading, recombination and landmark frame, frame by frame.

Everything here is a lazy chain of generators over single frames: memory does not grow with the clip, and a frame's pose
depends on the frames before it only (apart from gaps without a face, which wait for the next face).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ...checks import check_choice
from ...types import CropTransform, FaceCoefficients, FacePose, SourceCodes
from ..geometry.alignment import compose_transforms, invert_transform, transform_points
from ..geometry.crop_frame import CROP_SIZE, crop_frame_transform
from ..geometry.resize import resize_transform
from ..readers.changed_crop import CROP_CODE, changed_face, check_crop_change, moved_coefficients
from ..readers.open.face_model import ALIGNED_SIZE
from ..readers.reader import CroppedFace, FaceModel, check_face_model
from .options import PoseOptions
from .retargeting import MotionOptions, face_pose, recombine, relative_gaze

LANDMARK_FRAMES = ("aligned", "crop224", "source")


class LandmarkFrame:
    """Where a model's landmark maps are drawn.

    Args:
        name: "aligned" (the aligned image at the model's size), "crop224" (the official tight crop inside it) or
            "source" (the source's own aligned image, in which the head keeps its size and turns where it is).
        sample_size: side of the model's image, pixels.
    """

    def __init__(self, name: str, sample_size: int):
        check_choice("landmark_frame", name, LANDMARK_FRAMES)
        self.name = name
        self.size = CROP_SIZE if name == "crop224" else sample_size

    def from_aligned(self, landmarks: Tensor) -> CropTransform:
        """Map the aligned crop's px to this frame's, for a face with landmarks (B, 68, 2) px of the aligned crop."""
        if self.name == "crop224":
            return crop_frame_transform(landmarks)
        matrix = resize_transform(ALIGNED_SIZE, self.size).to(landmarks)
        return CropTransform(matrix.expand(len(landmarks), 2, 3), self.size)


class PoseExtractor:
    """Turn driving faces into `FacePose`s for one source.

    Args:
        face_model: draws the coefficients.
        camera_frame: where their cameras lie: "aligned" or "crop224".
        landmark_frame: where the model's landmark maps are drawn.
        options: how the clip is read.

    Raises:
        ValueError: if the options change a crop that the cameras do not lie in.
    """

    def __init__(self, face_model: FaceModel, camera_frame: str, landmark_frame: LandmarkFrame, options: PoseOptions):
        check_crop_change(options.crop_change, camera_frame)
        self.face_model = face_model
        self.camera_frame = camera_frame
        self.landmark_frame = landmark_frame
        self.options = options
        self._motion = self._motion_options()

    def stream(self, faces: Iterator[CroppedFace], source: SourceCodes) -> Iterator[FacePose]:
        """Yield one pose per frame, in order.

        Args:
            faces: the driver's, one row each.
            source: the encoded source.

        Raises:
            ValueError: if the source was encoded with another face model, or the reference frame lies beyond the end
                of the clip.
        """
        check_face_model(self.face_model, source.coefficients, "a source")
        faces, reference = self.with_reference(faces)
        for face in faces:
            yield self.pose(face, source, reference)

    def with_reference(self, faces: Iterator[CroppedFace]) -> tuple[Iterator[CroppedFace], CroppedFace | None]:
        """The faces, all of them, and the one that counts as the source's pose, where the motion needs one.

        Raises:
            ValueError: if the reference frame lies beyond the end of the clip.
        """
        return self._find_reference(faces) if self._motion.needs_reference else (faces, None)

    def pose(self, face: CroppedFace, source: SourceCodes, reference: CroppedFace | None = None) -> FacePose:
        """The pose of one driving face.

        Args:
            face: the driver's, one row.
            source: the encoded source.
            reference: the driver's face that counts as the source's pose; exactly where the motion needs one.

        Raises:
            ValueError: if the reference does not fit the options.
        """
        face = changed_face(face, self.options.crop_change)
        reference = None if reference is None else changed_face(reference, self.options.crop_change)
        since = None if reference is None else reference.coefficients
        coefficients = self._recombined(source, face.coefficients, since)
        if self.options.relative:
            gaze = relative_gaze(source.gaze, face.observation.gaze, reference.observation.gaze)
            face = replace(face, observation=replace(face.observation, gaze=gaze))
        return self.in_landmark_frame(coefficients, face)

    def _recombined(
        self, source: SourceCodes, driver: FaceCoefficients, since: FaceCoefficients | None
    ) -> FaceCoefficients:
        """The source in the driver's pose; within the usual crop, also where the source has another one."""
        own, move = source.coefficients, source.codes.get(CROP_CODE)
        if move is None:
            return recombine(self.face_model, own, driver, self._motion, since)
        move = move.to(own.camera)
        own = moved_coefficients(own, invert_transform(move), ALIGNED_SIZE)
        posed = recombine(self.face_model, own, driver, self._motion, since)
        return moved_coefficients(posed, move, ALIGNED_SIZE)

    def in_landmark_frame(self, coefficients: FaceCoefficients, face: CroppedFace) -> FacePose:
        """Draw coefficients as landmarks and pupils in the model's landmark frame."""
        frame = self._frame(coefficients, face)
        return face_pose(self.face_model, coefficients, face.observation.gaze, face.observation.found, frame)

    def _frame(self, coefficients: FaceCoefficients, face: CroppedFace) -> CropTransform:
        """From the camera's square to the landmark frame.

        The official crop is that of the driver as seen. Where the camera is not the driver's it is that of the drawn
        face, which has the source's position and size in its image.
        """
        if self.camera_frame == self.landmark_frame.name == "crop224":
            identity = torch.eye(2, 3, device=coefficients.camera.device, dtype=coefficients.camera.dtype)
            return CropTransform(identity.expand(len(coefficients.camera), 2, 3), CROP_SIZE)
        to_aligned = invert_transform(face.camera_crop.matrix)
        landmarks = face.observation.landmarks
        if self._motion.relative or self._motion.camera != "motion":
            drawn = self.face_model.landmarks(coefficients, self.face_model.camera_size)
            landmarks = transform_points(to_aligned, drawn)
        from_aligned = self.landmark_frame.from_aligned(landmarks)
        return replace(from_aligned, matrix=compose_transforms(from_aligned.matrix, to_aligned))

    def _motion_options(self) -> MotionOptions:
        """What the options mean in this landmark frame.

        Frames that are cropped one by one say nothing of size and position: what differs there is the shape of the
        driver's face.
        """
        options = self.options
        relative, gain = options.relative, options.expression_gain
        if self.landmark_frame.name != "source":
            return MotionOptions(relative, gain)
        camera = "source" if options.driver_crop == "frame" else "change"
        return MotionOptions(relative, gain, camera, options.turn_limit)

    def _find_reference(self, faces: Iterator[CroppedFace]) -> tuple[Iterator[CroppedFace], CroppedFace]:
        """Read up to the reference frame; hand out all faces again from the first."""
        waiting: list[CroppedFace] = []
        for face in faces:
            waiting.append(face)
            if len(waiting) > self.options.reference_frame:
                return self._rejoin(waiting, faces), face
        raise ValueError(
            f"Expected reference_frame within the driving clip, received {self.options.reference_frame} for "
            f"{len(waiting)} frames. Choose a smaller frame number."
        )

    @staticmethod
    def _rejoin(waiting: list[CroppedFace], faces: Iterator[CroppedFace]) -> Iterator[CroppedFace]:
        yield from waiting
        yield from faces
