"""Landmarks by the paper's networks, S3FD and 2D-FAN-4, image by image: what the metric NME compares."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..face.geometry.ibug68 import NUM_LANDMARKS
from ..face.geometry.resize import resize_points
from ..face.readers.emoca.face_detector import FACE_SCORE, FaceDetector
from ..face.readers.emoca.landmark_crop import FaceSquare, crop_for_landmarks, landmarks_from_heatmaps
from ..face.readers.emoca.landmark_net import LandmarkNet
from ..face.readers.emoca.ranges import MAX_LEVEL, to_official_levels
from ..images import resize

# Side of the square that faces are looked for in, px; that of the official code.
IMAGE_PX = 256


class FanLandmarks(nn.Module):
    """Detector and landmark network, one after the other.

    Args:
        detector: finds the face.
        landmark_net: finds its landmarks.
    """

    def __init__(self, detector: FaceDetector, landmark_net: LandmarkNet):
        super().__init__()
        self.detector, self.landmark_net = detector, landmark_net

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Landmarks of the face that the detector is surest of; without a gradient.

        Args:
            images: (B, 3, S, S) in [-1, 1], one face each; looked at in 256 px.

        Returns:
            (B, 68, 2) px of the images, whole px of the 256 px ones; NaN throughout where no face is found.
        """
        levels = to_official_levels(resize(images, (IMAGE_PX, IMAGE_PX)))
        found = self.detector.detect(levels, FACE_SCORE)
        rows = [row for row, boxes in enumerate(found) if len(boxes)]
        landmarks = images.new_full((len(images), NUM_LANDMARKS, 2), torch.nan)
        if rows:
            squares = [FaceSquare.around(found[row].boxes[0]) for row in rows]
            crops = [crop_for_landmarks(levels[row], square) for row, square in zip(rows, squares, strict=True)]
            heatmaps = self.landmark_net(torch.stack(crops) / MAX_LEVEL)
            landmarks[rows] = landmarks_from_heatmaps(heatmaps, squares).to(landmarks)
        return resize_points(landmarks, IMAGE_PX, images.shape[-1])
