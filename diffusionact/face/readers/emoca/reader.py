"""The authors' face reader: face detector, landmarks, aligned image, EMOCA's coefficients and gaze, frame by frame.

The networks and their order are the authors'. For clips it adds what theirs lacks: a choice of face, gaps, smoothing,
frames of any size. `pipelines/official.py` is their procedure as in the official code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from ....checks import check_choice, check_frames, check_in_range
from ....images import resize, uint8_to_model
from ....types import CropTransform, FaceObservation, map_tensors
from ...errors import NoFaceFoundError
from ...geometry.alignment import transform_points
from ...geometry.crop_frame import crop_frame_transform
from ...geometry.gaze import pupils_from_gaze
from ...geometry.resize import resize_points
from ...pose.options import PoseOptions
from ..choice import FaceChooser, check_face
from ..missing import MISSING_POLICIES, REMEDY, fill_gaps
from ..reader import CroppedFace, SourceFace
from .aligned_image import ClipCrop, FrameCrop, spans_a_face
from .coefficient_smoothing import blend_faces, mark_filled, smooth_faces
from .components import EmocaNetworks, load_emoca_networks
from .face_detector import FACE_SCORE, DetectedBoxes
from .face_measuring import MeasuredFace, detect_faces, find_landmarks, measure_aligned

# Shorter side of the image that faces are looked for in, px; the second only where the first shows none. The official
# code resizes to 256 x 256.
DETECTION_SIDES = (256, 512)
# Longer side of that image in units of the shorter one.
MAX_SIDE = 4.0
# In the aligned image a box belongs to the same face if it overlaps this much with where that lay in the frame.
SAME_FACE_OVERLAP = 0.2

AlignedCrop = Callable[[Tensor, Tensor], tuple[Tensor, CropTransform]]


class EmocaFaceReader:
    """Reads faces with the authors' networks; see `FaceReader`.

    Args:
        networks: from `load_emoca_networks`.
    """

    name = "emoca"
    camera_frame = "crop224"

    def __init__(self, networks: EmocaNetworks):
        self.networks = networks
        self.face_model = networks.flame

    @classmethod
    def from_folder(cls, folder: Path) -> EmocaFaceReader:
        """The reader of the files that `diffusionact weights import` writes.

        Raises:
            FileNotFoundError: if a file is missing.
            ValueError: if a file is broken.
        """
        return cls(load_emoca_networks(folder))

    @property
    def device(self) -> torch.device:
        """Where the networks run."""
        return self.face_model.template.device

    def to(self, device: torch.device | str) -> EmocaFaceReader:
        """See `FaceReader`."""
        self.networks.to(device)
        return self

    def read_source(self, image: Tensor, face: str | int) -> SourceFace:
        """See `FaceReader`."""
        check_face(face)
        check_frames("source", image[None])
        frame = image.to(self.device)
        boxes = largest_first(self._find(frame, FACE_SCORE))
        row = FaceChooser(face).choose(_corners(boxes))
        if row is None:
            raise NoFaceFoundError(_no_source_face(face, len(boxes)))
        read = self._read_face(frame, boxes.boxes[row], boxes.scores[row], self._frame_crop())
        if read is None:
            raise NoFaceFoundError(_no_source_face("largest", 0))
        aligned, cropped = read
        return SourceFace(aligned.cpu(), cropped)

    @torch.no_grad()
    def faces_in(self, image: Tensor) -> Tensor:
        """See `FaceReader`."""
        check_frames("image", image[None])
        return largest_first(self._find(image.to(self.device), FACE_SCORE)).boxes

    def embed_identity(self, image: Tensor) -> None:
        """None: EMOCA's networks embed no identities."""

    def read(self, frames: Iterable[Tensor], options: PoseOptions, frame_rate: float) -> Iterator[CroppedFace]:
        """See `FaceReader`."""
        check_face(options.face)
        check_choice("missing", options.missing, MISSING_POLICIES)
        check_in_range("detection_threshold", options.detection_threshold, 0.0, 1.0)
        faces = fill_gaps(self._look(frames, options, frame_rate), options.missing, mark_filled, blend_faces)
        return smooth_faces(faces, frame_rate, options.smoothing) if options.smoothing > 0 else faces

    def _look(self, frames: Iterable[Tensor], options: PoseOptions, frame_rate: float) -> Iterator[CroppedFace | None]:
        """One face per frame, None where it is not seen."""
        chooser = FaceChooser(options.face)
        crop = self._frame_crop() if options.driver_crop == "frame" else ClipCrop(frame_rate)
        for frame in frames:
            check_frames("frame", frame[None])
            frame = frame.to(self.device)
            boxes = largest_first(self._find(frame, options.detection_threshold))
            row = chooser.choose(_corners(boxes))
            read = None if row is None else self._read_face(frame, boxes.boxes[row], boxes.scores[row], crop)
            yield None if read is None else read[1]

    def _frame_crop(self) -> AlignedCrop:
        """How a frame is cut by itself."""
        return FrameCrop()

    def _measure(self, image: Tensor, landmarks: Tensor) -> MeasuredFace:
        """The face in an aligned image (1, 3, 256, 256) in [-1, 1] with landmarks (1, 68, 2) px."""
        return measure_aligned(self.networks, image, landmarks)

    def _find(self, frame: Tensor, threshold: float) -> DetectedBoxes:
        """All faces of a frame uint8 (H, W, 3), px of the frame."""
        image, (height, width) = uint8_to_model(frame[None]), frame.shape[:2]
        for side in DETECTION_SIDES:
            scale = min(side / min(height, width), MAX_SIDE * side / max(height, width))
            size = (max(round(height * scale), 1), max(round(width * scale), 1))
            found = detect_faces(self.networks, resize(image, size), threshold)
            if len(found):
                break
        corners = resize_points(_corners(found), size, (height, width))
        return DetectedBoxes(corners.reshape(-1, 4), found.scores)

    def _read_face(
        self, frame: Tensor, box: Tensor, score: Tensor, align: AlignedCrop
    ) -> tuple[Tensor, CroppedFace] | None:
        """Aligned image uint8 and the face in it; None if the landmarks span no face."""
        landmarks = find_landmarks(self.networks, uint8_to_model(frame[None]), box)
        if not spans_a_face(landmarks):
            return None
        aligned, crop = align(frame, landmarks)
        image = uint8_to_model(aligned[None])
        inner = find_landmarks(self.networks, image, self._box_in_crop(image, box, crop))
        face = self._measure(image, inner)
        return aligned, CroppedFace(
            face.coefficients, self._observe(face, score), crop, crop_frame_transform(face.landmarks)
        )

    def _box_in_crop(self, aligned: Tensor, box: Tensor, crop: CropTransform) -> Tensor:
        """The face's box in its aligned image: the best detection that is the same face, else the frame's own box."""
        left, top, right, bottom = box.tolist()
        corners = crop.matrix.new_tensor([[[left, top], [right, top], [right, bottom], [left, bottom]]])
        inside = transform_points(crop.matrix, corners)[0].cpu()
        expected = torch.cat([inside.amin(0), inside.amax(0)])
        found = detect_faces(self.networks, aligned)
        same = [row for row, other in enumerate(found.boxes) if _overlap(expected, other) > SAME_FACE_OVERLAP]
        return found.boxes[same[0]] if same else expected

    def _observe(self, face: MeasuredFace, score: Tensor) -> FaceObservation:
        return FaceObservation(
            landmarks=face.landmarks,
            pupils=pupils_from_gaze(face.landmarks, face.gaze),
            head_pose=self.face_model.head_pose(face.coefficients.rotation),
            gaze=face.gaze,
            expression=face.coefficients.expression,
            confidence=score[None].to(self.device),
            found=torch.ones(1, dtype=torch.bool, device=self.device),
        )


def largest_first(found: DetectedBoxes) -> DetectedBoxes:
    """The same faces, ordered by their boxes' areas."""
    order = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(-1).argsort(descending=True, stable=True)
    return map_tensors(found, lambda values: values[order])


def _corners(found: DetectedBoxes) -> Tensor:
    """(N, 2, 2) px: upper left and lower right corner of each face's box."""
    return found.boxes.reshape(-1, 2, 2)


def _overlap(first: Tensor, second: Tensor) -> float:
    """Intersection over union of two boxes (4,)."""
    low, high = torch.maximum(first[:2], second[:2]), torch.minimum(first[2:], second[2:])
    common = (high - low).clamp(min=0).prod()
    areas = sum((box[2:] - box[:2]).prod() for box in (first, second))
    return float(common / (areas - common).clamp(min=1e-9))


def _no_source_face(face: str | int, count: int) -> str:
    if not count:
        return f"Source: No face found in the image. {REMEDY}"
    return (
        f"Expected a source image with face {face}, counted from 0, received one with {count} "
        f"face{'s' if count > 1 else ''}. Choose a smaller index."
    )
