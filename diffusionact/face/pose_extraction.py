"""Driving frames -> poses of the source: tracking, smoothing, crop, face-model fit and recombination, frame by frame.

Everything here is a lazy chain of generators over single frames: memory does not grow with the clip, and a frame's pose
depends on the frames before it only (apart from gaps without a face, which wait for the next face).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..checks import check_choice, check_in_range
from ..types import CropTransform, FaceCoefficients, FaceObservation, FacePose, SourceCodes
from .alignment import clip_crop_transform, crop_transform, transform_points
from .crop_frame import crop_frame_transform
from .open_face_model import OpenFaceModel
from .retargeting import MotionOptions, face_pose, recombine, relative_gaze
from .rotations import head_pose_to_matrix, matrix_to_head_pose
from .smoothing import OneEuroFilter, smooth_observations
from .tracking import OpenFaceTracker

ALIGNED_SIZE = 256
DRIVER_CROPS = ("frame", "clip")
LANDMARK_FRAMES = ("aligned", "crop224")


@dataclass(frozen=True)
class PoseOptions:
    """How a driving clip is read.

    Attributes:
        face: which face drives: "largest", "follow" (nearest to the last frame's) or an index, largest first.
        missing: frames without a face: "error", "hold" or "interpolate".
        driver_crop: "frame" crops every frame anew (the official way; removes roll and translation), "clip" uses one
            smoothed upright crop, so that roll and translation are carried over.
        relative: motion relative to the reference frame is added to the source's own pose, expression and gaze.
        reference_frame: the driving frame that counts as the source's pose in relative motion, 0-based.
        expression_gain: factor on the driver's expression.
        smoothing: 0 (off) to 1 (strong) One Euro smoothing of the tracked face.
        detection_threshold: least score of the face detector, 0 to 1.
    """

    face: str | int = "follow"
    missing: str = "interpolate"
    driver_crop: str = "frame"
    relative: bool = False
    reference_frame: int = 0
    expression_gain: float = 1.0
    smoothing: float = 0.3
    detection_threshold: float = 0.5

    def __post_init__(self):
        check_choice("driver_crop", self.driver_crop, DRIVER_CROPS)
        check_in_range("smoothing", self.smoothing, 0.0, 1.0)
        check_in_range("expression_gain", self.expression_gain, 0.0, 3.0)
        check_in_range("reference_frame", self.reference_frame, 0, 10**9)


DEFAULT_POSE_OPTIONS = PoseOptions()


@dataclass(frozen=True)
class CroppedFace:
    """One driving frame after cropping: coefficients with the camera in the aligned crop, and its landmark frame."""

    coefficients: FaceCoefficients
    observation: FaceObservation
    crop: CropTransform


def rotate_head_pose(head_pose: Tensor, matrix: Tensor) -> Tensor:
    """Head pose (B, 3) degrees as seen in a crop whose transform (B, 2, 3) may turn the picture."""
    turn = torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0])  # clockwise in the picture, since y points down
    roll = torch.zeros_like(head_pose)
    roll[:, 2] = -torch.rad2deg(turn)
    return matrix_to_head_pose(head_pose_to_matrix(roll) @ head_pose_to_matrix(head_pose))


def observe_in_crop(observation: FaceObservation, crop: CropTransform) -> FaceObservation:
    """Express an observation's points and head pose in the pixels of a crop."""
    return replace(
        observation,
        landmarks=transform_points(crop.matrix, observation.landmarks),
        pupils=transform_points(crop.matrix, observation.pupils),
        head_pose=rotate_head_pose(observation.head_pose, crop.matrix),
    )


def fit_in_crop(face_model: OpenFaceModel, observation: FaceObservation, crop: CropTransform) -> CroppedFace:
    """Fit the face model to an observation in full-image px, within the given aligned crop."""
    inside = observe_in_crop(observation, crop)
    coefficients = face_model.fit(inside.landmarks, inside.expression, inside.head_pose, crop.size)
    return CroppedFace(coefficients, inside, crop)


class PoseExtractor:
    """Turn driving frames into `FacePose`s for one source.

    Args:
        face_model: the open face model.
        landmark_frame: where the model's landmark maps are drawn: "aligned" (the aligned picture) or "crop224" (the
            official model's tight crop inside it).
        sample_size: side of the model's picture, pixels.
        options: how the clip is read.
        frame_rate: driving frames a second, for the smoothing.
    """

    def __init__(
        self,
        face_model: OpenFaceModel,
        landmark_frame: str,
        sample_size: int,
        options: PoseOptions,
        frame_rate: float = 25.0,
    ):
        check_choice("landmark_frame", landmark_frame, LANDMARK_FRAMES)
        self.face_model = face_model
        self.landmark_frame = landmark_frame
        self.sample_size = sample_size
        self.options = options
        self.frame_rate = frame_rate

    def stream(self, frames: Iterable[Tensor], source: SourceCodes) -> Iterator[FacePose]:
        """Yield one pose a frame, in order.

        Args:
            frames: uint8 (H, W, 3) driving frames.
            source: the encoded source.

        Raises:
            NoFaceFoundError: see `OpenFaceTracker`.
            ValueError: if the reference frame lies beyond the end of the clip.
        """
        faces = self._cropped_faces(frames)
        motion = MotionOptions(relative=self.options.relative, expression_gain=self.options.expression_gain)
        if not self.options.relative:
            for face in faces:
                coefficients = recombine(source.coefficients, face.coefficients, motion)
                yield self.in_landmark_frame(coefficients, face)
            return
        faces, reference = self._find_reference(faces)
        for face in faces:
            coefficients = recombine(source.coefficients, face.coefficients, motion, reference.coefficients)
            gaze = relative_gaze(source.gaze, face.observation.gaze, reference.observation.gaze)
            yield self.in_landmark_frame(coefficients, replace(face, observation=replace(face.observation, gaze=gaze)))

    def in_landmark_frame(self, coefficients: FaceCoefficients, face: CroppedFace) -> FacePose:
        """Draw coefficients as landmarks and pupils in the model's landmark frame.

        The official crop is that of the tracked driver. In relative motion it is that of the drawn face, which has the
        source's place and size in its picture and not the driver's.
        """
        pose = face_pose(self.face_model, coefficients, face.observation.gaze, face.observation.found, ALIGNED_SIZE)
        if self.landmark_frame == "crop224":
            crop = crop_frame_transform(pose.landmarks if self.options.relative else face.observation.landmarks)
            return replace(
                pose,
                landmarks=transform_points(crop.matrix, pose.landmarks),
                pupils=transform_points(crop.matrix, pose.pupils),
            )
        scale = self.sample_size / ALIGNED_SIZE
        # Integer pixels are pixel centres: the centre of the first of `scale` pixels moves by half a pixel.
        return replace(
            pose,
            landmarks=(pose.landmarks + 0.5) * scale - 0.5,
            pupils=(pose.pupils + 0.5) * scale - 0.5,
        )

    def _cropped_faces(self, frames: Iterable[Tensor]) -> Iterator[CroppedFace]:
        options = self.options
        tracker = OpenFaceTracker(options.face, options.missing, options.detection_threshold)
        tracker.to(next(self.face_model.buffers()).device)
        observations: Iterable[FaceObservation] = tracker.stream(frames)
        if self.options.smoothing > 0:
            observations = smooth_observations(observations, self.frame_rate, self.options.smoothing)
        smooth_crop = OneEuroFilter(self.frame_rate, min_cutoff=0.05, beta=0.0)
        for observation in observations:
            if self.options.driver_crop == "frame":
                crop = crop_transform(observation.landmarks, ALIGNED_SIZE)
            else:
                upright = clip_crop_transform(observation.landmarks, ALIGNED_SIZE)
                crop = replace(upright, matrix=smooth_crop(upright.matrix))
            yield fit_in_crop(self.face_model, observation, crop)

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
