"""The open face reader: bundled nets, FFHQ crop, and the open face model fitted inside it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from ....types import CropTransform, FaceCoefficients, FaceObservation, map_tensors
from ...errors import NoFaceFoundError
from ...geometry.alignment import align_face, clip_crop_transform, crop_transform, transform_points
from ...geometry.rotations import head_pose_to_matrix, matrix_to_head_pose
from ...pose.options import DEFAULT_POSE_OPTIONS, PoseOptions
from ..choice import check_face
from ..entry import FaceReaderEntry
from ..missing import no_face_message
from ..reader import CroppedFace, SourceFace
from ..smoothing import OneEuroFilter, smooth_observations
from .face_model import ALIGNED_SIZE, OpenFaceModel
from .following import OpenFaceFollower
from .group_following import OpenGroupFollower
from .tracking import OpenFaceTracker

# A crop for the whole clip follows the head this slowly, Hz.
CLIP_CROP_CUTOFF_HZ = 0.05


class OpenFaceReader:
    """Tracks with `OpenFaceTracker` and fits `OpenFaceModel`; see `FaceReader`."""

    name = "open"
    camera_frame = "aligned"

    def __init__(self) -> None:
        self.face_model = OpenFaceModel.from_bundled()

    @property
    def device(self) -> torch.device:
        """Where the nets run."""
        return self.face_model.mean.device

    def to(self, device: torch.device | str) -> OpenFaceReader:
        """Move the face model; the nets are made where it is."""
        self.face_model.to(device)
        return self

    def read_source(self, image: Tensor, face: str | int) -> SourceFace:
        """See `FaceReader`."""
        if isinstance(face, int):
            return self.read_sources(image, [face])[0]
        tracker = self.make_tracker(face, "error", DEFAULT_POSE_OPTIONS.detection_threshold).to(self.device)
        try:
            return self._source(image, tracker.observe(image[None].to(self.device)))
        except NoFaceFoundError as error:
            raise NoFaceFoundError(f"Source: {error}") from error

    def read_sources(self, image: Tensor, faces: Sequence[int]) -> list[SourceFace]:
        """`read_source` of several faces, which are looked for once: also those that are small in a large image."""
        tracker = self.make_tracker("largest", "error", DEFAULT_POSE_OPTIONS.detection_threshold).to(self.device)
        for face in faces:
            check_face(face)
        seen = tracker.observe_faces(image.to(self.device), faces)
        if None in seen:
            raise _no_such_face(faces[seen.index(None)], len(tracker.detect(image)))
        return [self._source(image, observation) for observation in seen]

    def _source(self, image: Tensor, observation: FaceObservation) -> SourceFace:
        aligned, crop = align_face(image, observation.landmarks[0].cpu(), ALIGNED_SIZE)
        crop = map_tensors(crop, lambda tensor: tensor.to(self.device))
        return SourceFace(aligned, fit_in_crop(self.face_model, observation, crop))

    @torch.no_grad()
    def faces_in(self, image: Tensor) -> Tensor:
        """See `FaceReader`."""
        tracker = self.make_tracker("largest", "error", DEFAULT_POSE_OPTIONS.detection_threshold).to(self.device)
        boxes = [face.box for face in tracker.detect(image)]
        return torch.stack(boxes) if boxes else torch.zeros(0, 4, device=self.device)

    def embed_identity(self, image: Tensor) -> None:
        """None: the bundled nets know no identities."""

    def read(self, frames: Iterable[Tensor], options: PoseOptions, frame_rate: float) -> Iterator[CroppedFace]:
        """See `FaceReader`."""
        tracker = self.make_tracker(options.face, options.missing, options.detection_threshold).to(self.device)
        return self.fit(tracker.stream(frames), options, frame_rate)

    def make_tracker(self, face: str | int, missing: str, detection_threshold: float) -> OpenFaceTracker:
        """What follows the face of one clip or image."""
        return OpenFaceTracker(face, missing, detection_threshold)

    def make_follower(self) -> OpenFaceFollower:
        """What follows the face of one live stream; see `readers.following`."""
        tracker = self.make_tracker("largest", "error", DEFAULT_POSE_OPTIONS.detection_threshold).to(self.device)
        return OpenFaceFollower(
            tracker, partial(fit_in_crop, self.face_model), partial(fit_known_in_crop, self.face_model)
        )

    def make_group_follower(
        self, options: PoseOptions, frame_rate: float, wanted: Container[int] | None
    ) -> OpenGroupFollower:
        """What follows all faces of one clip; see `readers.tracks`."""
        tracker = self.make_tracker("largest", "error", options.detection_threshold).to(self.device)
        return OpenGroupFollower(tracker, partial(self.fit, options=options, frame_rate=frame_rate), wanted)

    def fit(
        self, observations: Iterable[FaceObservation], options: PoseOptions, frame_rate: float
    ) -> Iterator[CroppedFace]:
        """Smooth, crop and fit faces that were seen in full frames, here or elsewhere; one row each."""
        if options.smoothing > 0:
            observations = smooth_observations(observations, frame_rate, options.smoothing)
        smooth_crop = OneEuroFilter(frame_rate, min_cutoff=CLIP_CROP_CUTOFF_HZ, beta=0.0)
        for observation in observations:
            if options.driver_crop == "frame":
                crop = crop_transform(observation.landmarks, ALIGNED_SIZE)
            else:
                upright = clip_crop_transform(observation.landmarks, ALIGNED_SIZE)
                crop = replace(upright, matrix=smooth_crop(upright.matrix))
            yield fit_in_crop(self.face_model, observation, crop)


ENTRY = FaceReaderEntry(
    name=OpenFaceReader.name,
    description="bundled: MediaPipe's nets and the open face model",
    load=lambda folder: OpenFaceReader(),
    is_usable=lambda: True,
    face_model=OpenFaceModel.name,
    folder="not used: the files ship with the package",
)


def fit_in_crop(face_model: OpenFaceModel, observation: FaceObservation, crop: CropTransform) -> CroppedFace:
    """Fit the face model to an observation in full-image px, within the given aligned crop."""
    inside = observe_in_crop(observation, crop)
    coefficients = face_model.fit(inside.landmarks, inside.expression, inside.head_pose, crop.size)
    return _cropped(coefficients, inside, crop)


def fit_known_in_crop(
    face_model: OpenFaceModel, observation: FaceObservation, crop: CropTransform, shape: Tensor
) -> CroppedFace:
    """`fit_in_crop` of a face whose identity `shape` (1, K) is known: a third of the time, and steadier."""
    inside = observe_in_crop(observation, crop)
    coefficients = face_model.fit_pose(inside.landmarks, shape, inside.expression, inside.head_pose, crop.size)
    return _cropped(coefficients, inside, crop)


def _cropped(coefficients: FaceCoefficients, inside: FaceObservation, crop: CropTransform) -> CroppedFace:
    """What the pipeline works with, where the camera's square is the aligned crop itself."""
    identity = torch.eye(2, 3, device=crop.matrix.device, dtype=crop.matrix.dtype).expand(len(crop.matrix), 2, 3)
    return CroppedFace(coefficients, inside, crop, CropTransform(identity, crop.size))


def observe_in_crop(observation: FaceObservation, crop: CropTransform) -> FaceObservation:
    """Express an observation's points and head pose in the pixels of a crop."""
    return replace(
        observation,
        landmarks=transform_points(crop.matrix, observation.landmarks),
        pupils=transform_points(crop.matrix, observation.pupils),
        head_pose=rotate_head_pose(observation.head_pose, crop.matrix),
    )


def rotate_head_pose(head_pose: Tensor, matrix: Tensor) -> Tensor:
    """Head pose (B, 3) degrees as seen in a crop whose transform (B, 2, 3) may turn the image."""
    turn = torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0])  # clockwise in the image, since y points down
    roll = torch.zeros_like(head_pose)
    roll[:, 2] = -torch.rad2deg(turn)
    return matrix_to_head_pose(head_pose_to_matrix(roll) @ head_pose_to_matrix(head_pose))


def _no_such_face(face: int, count: int) -> NoFaceFoundError:
    if not count:
        return NoFaceFoundError(f"Source: {no_face_message(0, 1)}")
    return NoFaceFoundError(
        f"Expected a source image with face {face}, counted from 0, received one with {count} "
        f"face{'s' if count > 1 else ''}. Choose a smaller index."
    )
