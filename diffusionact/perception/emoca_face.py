"""EMOCA, FLAME and ETH-XGaze behind the pose losses: landmarks, head pose and gaze, differentiable in the images."""

from __future__ import annotations

from torch import Tensor, nn

from ..face.readers.emoca.coefficient_encoders import CoefficientEncoders
from ..face.readers.emoca.crops import crop_for_encoders
from ..face.readers.emoca.flame import FlameModel, official_angles
from ..face.readers.emoca.gaze_net import GazeNet


class EmocaFace(nn.Module):
    """Landmarks and head pose by EMOCA and FLAME, differentiable in the images."""

    def __init__(self, encoders: CoefficientEncoders, flame: FlameModel):
        super().__init__()
        self.encoders, self.flame = encoders, flame

    def forward(self, images: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """Face of aligned images.

        Args:
            images: (B, 3, H, W) in [-1, 1].
            landmarks: (B, 68, 2) px of them.

        Returns:
            Landmarks (B, 68, 2) px of the 224 px crop, and the authors' head angles (B, 3) yaw, pitch, roll in degrees.
        """
        coefficients = self.encoders(crop_for_encoders(images, landmarks)).coefficients()
        return self.flame.landmarks(coefficients), official_angles(coefficients.rotation)


class EmocaGaze(nn.Module):
    """Gaze by ETH-XGaze's network, differentiable in the images."""

    def __init__(self, gaze_net: GazeNet):
        super().__init__()
        self.gaze_net = gaze_net

    def forward(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Pitch, yaw (B, 2) in radians of images (B, 3, H, H) in [-1, 1] with landmarks (B, 68, 2) px."""
        return self.gaze_net.gaze(images, landmarks)
