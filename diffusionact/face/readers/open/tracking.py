"""Faces of clips for the open face reader: landmarks, pupils, head pose, gaze and expression of one face per frame.

Everything comes from the nets of MediaPipe's Face Landmarker that ship with the package; nothing is downloaded. Frames
are independent but for the choice of face and the filling of gaps; no state outlives a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ....checks import check_choice, check_frames, check_in_range
from ....types import FaceObservation, concatenate
from ...geometry.gaze import gaze_from_pupils
from ...geometry.rotations import matrix_to_head_pose
from ..choice import FaceChooser, check_face
from ..missing import MISSING_POLICIES, fill_missing_faces
from .landmarker import FaceLandmarker, Faces
from .landmarker.graph import DATA_FOLDER
from .lip_opening import correct_lip_opening
from .mesh_landmarks import PUPIL_POINTS, landmark_matrix

# Frames that go through the nets together in `observe`; results do not depend on it.
CHUNK_SIZE = 8


@dataclass(frozen=True)
class DetectedFace:
    """One face of an image, for choosing.

    Attributes:
        box: (4,) left, top, right, bottom, px.
        key_points: (6, 2) px: right eye, left eye, nose tip, mouth, right ear, left ear (the subject's sides).
        score: confidence in [0, 1].
    """

    box: Tensor
    key_points: Tensor
    score: float


class OpenFaceTracker(nn.Module):
    """Tracks one face.

    Args:
        face: "largest"; "follow", the face nearest to the one in the frame before, beginning with the largest; or an
            index, 0 being the largest.
        missing: frames without that face: "error", "hold" the last face seen, or "interpolate" across the gap.
        detection_threshold: minimum score of the face detector, 0 to 1.
        landmarker: finds and measures faces; None takes the bundled nets with that threshold.
    """

    def __init__(
        self,
        face: str | int = "largest",
        missing: str = "interpolate",
        detection_threshold: float = 0.5,
        landmarker: FaceLandmarker | None = None,
    ):
        super().__init__()
        check_face(face)
        check_choice("missing", missing, MISSING_POLICIES)
        check_in_range("detection_threshold", detection_threshold, 0.0, 1.0)
        self.face = face
        self.missing = missing
        self.landmarker = landmarker or FaceLandmarker(detection_threshold)
        canonical = load_file(DATA_FOLDER / "face_geometry.safetensors")["vertices"]
        self.register_buffer("landmark_matrix", landmark_matrix(canonical), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the nets run and the observations are."""
        return self.landmark_matrix.device

    def observe(self, frames: Tensor) -> FaceObservation:
        """Track a clip that is in memory.

        Args:
            frames: (F, H, W, 3) uint8.

        Returns:
            F rows on the nets' device. `head_pose` is the apparent turn (see `HeadGeometry.apparent_rotation`), so that
            a head does not seem to turn when it moves sideways. `confidence` is detection score times presence.

        Raises:
            NoFaceFoundError: if no frame shows the face, or one frame does not and `missing` is "error".
            ValueError: if frames are not uint8 (F, H, W, 3).
        """
        check_frames("frames", frames)
        seen = self._look(frames.split(CHUNK_SIZE))
        return concatenate(list(fill_missing_faces(seen, self.missing, len(frames))))

    def observe_faces(self, image: Tensor, indices: Sequence[int]) -> list[FaceObservation | None]:
        """Several faces of one image uint8 (H, W, 3), also small ones, by their index in `detect`; None for no face."""
        check_frames("image", image[None])
        faces = self.landmarker.search_group(image.to(self.device))
        return [self._choose(FaceChooser(index), faces) for index in indices]

    def stream(self, frames: Iterable[Tensor]) -> Iterator[FaceObservation]:
        """Track a clip frame by frame: yields the rows of `observe` one by one, holding one frame at a time.

        Within a gap nothing is yielded until the next face is seen (except with "hold"); only the length of the gap is
        remembered.

        Args:
            frames: (H, W, 3) uint8 each.

        Raises:
            NoFaceFoundError: as `observe`.
            ValueError: if a frame is not uint8 (H, W, 3).
        """
        return fill_missing_faces(self._look(self._batches_of_one(frames)), self.missing)

    def follow(self, faces: Iterable[Faces]) -> Iterator[FaceObservation]:
        """`stream` for faces that MediaPipe's nets found elsewhere.

        Args:
            faces: all faces of one frame each, largest first, in px of the frame; confidence, boxes, key points and
                transforms are not used for choosing.

        Raises:
            NoFaceFoundError: as `observe`.
        """
        chooser = FaceChooser(self.face)
        return fill_missing_faces((self._choose(chooser, found) for found in faces), self.missing)

    def detect(self, frame: Tensor) -> list[DetectedFace]:
        """All faces of one image, also small ones, largest first: the order of the index `face` of an image.

        Args:
            frame: (H, W, 3) uint8.
        """
        check_frames("frame", frame[None])
        faces = self.landmarker.search_group(frame.to(self.device))
        return [
            DetectedFace(box, points, score)
            for box, points, score in zip(faces.boxes, faces.key_points, faces.confidence.tolist(), strict=True)
        ]

    @staticmethod
    def _batches_of_one(frames: Iterable[Tensor]) -> Iterator[Tensor]:
        for frame in frames:
            check_frames("frame", frame[None])
            yield frame[None]

    def _look(self, chunks: Iterable[Tensor]) -> Iterator[FaceObservation | None]:
        """One row per frame, None where the face is not seen."""
        chooser = FaceChooser(self.face)
        for chunk in chunks:
            for faces in self.landmarker(chunk.to(self.device)):
                yield self._choose(chooser, faces)

    def _choose(self, chooser: FaceChooser, faces: Faces) -> FaceObservation | None:
        row = chooser.choose(faces.points)
        return None if row is None else self.observation_of(faces, row)

    def observation_of(self, faces: Faces, row: int) -> FaceObservation:
        """One of the faces of an image as an observation, one row."""
        mesh, geometry = faces.points[row : row + 1], self.landmarker.geometry
        points = mesh[..., :2]
        landmarks, pupils = self.landmark_matrix @ points, points[:, list(PUPIL_POINTS)]
        return FaceObservation(
            landmarks=landmarks,
            pupils=pupils,
            head_pose=matrix_to_head_pose(geometry.apparent_rotation(mesh)),
            gaze=gaze_from_pupils(landmarks, pupils),
            expression=correct_lip_opening(faces.blendshapes[row : row + 1], mesh, geometry),
            confidence=faces.confidence[row : row + 1],
            found=torch.ones(1, dtype=torch.bool, device=points.device),
        )
