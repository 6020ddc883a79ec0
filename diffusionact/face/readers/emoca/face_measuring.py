"""The paper's face networks on one image: boxes, landmarks in whole pixels, and what the aligned image says."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ....types import FaceCoefficients
from .components import DecaNetworks, EmocaNetworks
from .crops import crop_for_encoders
from .face_detector import FACE_SCORE, DetectedBoxes
from .landmark_crop import FaceSquare, crop_for_landmarks, landmarks_from_heatmaps
from .ranges import MAX_LEVEL, to_official_levels


@dataclass(frozen=True)
class MeasuredFace:
    """A face in its aligned image, one row.

    Attributes:
        landmarks: (1, 68, 2) whole px of the aligned image.
        coefficients: camera in the 224 px crop around the landmarks.
        gaze: (1, 2) pitch, yaw in radians.
    """

    landmarks: Tensor
    coefficients: FaceCoefficients
    gaze: Tensor


def detect_faces(networks: EmocaNetworks | DecaNetworks, image: Tensor, threshold: float = FACE_SCORE) -> DetectedBoxes:
    """Faces of an image (1, 3, H, W) in [-1, 1], in its pixels, best score first."""
    return networks.detector.detect(to_official_levels(image), threshold)[0]


@torch.no_grad()
def find_landmarks(networks: EmocaNetworks | DecaNetworks, image: Tensor, box: Tensor) -> Tensor:
    """Landmarks (1, 68, 2) whole px of the face in a box (4,): left, top, right, bottom, px of the image.

    Args:
        networks: on the device of the image.
        image: (1, 3, H, W) in [-1, 1].
        box: from the detector.
    """
    square = FaceSquare.around(box)
    crop = crop_for_landmarks(to_official_levels(image)[0], square) / MAX_LEVEL
    return landmarks_from_heatmaps(networks.landmark_net(crop[None]), [square]).to(image.device)


@torch.no_grad()
def measure_aligned(networks: EmocaNetworks, aligned: Tensor, landmarks: Tensor) -> MeasuredFace:
    """Coefficients and gaze of a face in its aligned image.

    Args:
        networks: on the device of the image.
        aligned: (1, 3, 256, 256) in [-1, 1].
        landmarks: (1, 68, 2) px of it, from `find_landmarks`.
    """
    codes = networks.encoders(crop_for_encoders(aligned, landmarks))
    return MeasuredFace(landmarks, codes.coefficients(), networks.gaze_net.gaze(aligned, landmarks))
