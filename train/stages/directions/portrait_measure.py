"""Portraits as the objective compares them: read by the bundled `PortraitNet`, as points of the open face model.

For data of `python -m portraits` alone: no file of anybody is needed, and images of 32 px can be read. It reads head
pose and jaw; the eleven expressions of FLAME stay as they are.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from diffusionact.face.geometry.crop_frame import CROP_SIZE
from diffusionact.face.geometry.rotations import axis_angle_to_matrix
from diffusionact.face.readers.emoca.flame import official_angles
from diffusionact.face.readers.open.face_model import JAW_OPEN, OpenFaceModel
from diffusionact.generation.face_parameters import JAW_OPEN_RAD, units_per_parameter
from diffusionact.losses import perceptual_loss
from diffusionact.perception import PortraitNet
from diffusionact.types import FaceCoefficients

from ..perception import scaled_maps
from .face_measure import FacePoints
from .single_changes import JAW, NUM_ANGLES, rotation_of_angles

# Scale, t_x, t_y of the open face model: about what `face_measure.CAMERA` shows of FLAME.
CAMERA = (0.7, 0.0, 0.0)


class PortraitMeasure:
    """Measures portraits; differentiable in the images.

    Args:
        network: frozen; a judge of the outcome must be another one.
        model: the open face model.
    """

    num_parameters = JAW + 1

    def __init__(self, network: PortraitNet, model: OpenFaceModel):
        self.network, self.model = network, model

    def find(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Landmarks (B, 68, 2), all 0, and True (B,): the network finds the face itself, and always one."""
        return images.new_zeros(len(images), 68, 2), torch.ones(len(images), dtype=torch.bool, device=images.device)

    def coefficients(self, images: Tensor, landmarks: Tensor) -> FaceCoefficients:
        """Of images (B, 3, S, S) in [-1, 1]; the mean face's shape, seen by the fixed camera."""
        reading = self.network(images)
        count, model = len(images), self.model
        shape = images.new_zeros(count, model.num_identity)
        camera = images.new_tensor(CAMERA).expand(count, 3)
        return FaceCoefficients(shape, reading.expression, model.rotation(reading.head_pose), camera, model.name)

    def wanted(
        self, own: FaceCoefficients, other: FaceCoefficients, single: Tensor, change: Tensor, is_paired: bool
    ) -> FaceCoefficients:
        """See `FaceMeasure.wanted`; the target has no say but through `change`."""
        values = change * units_per_parameter(change)
        rotation = rotation_of_angles(official_angles(own.rotation) + values[:, :NUM_ANGLES])
        expression = own.expression.clone()
        expression[:, JAW_OPEN] = (expression[:, JAW_OPEN] + values[:, JAW] / JAW_OPEN_RAD).clamp(0.0, 1.0)
        return replace(own, expression=expression, rotation=rotation)

    def points(self, coefficients: FaceCoefficients) -> FacePoints:
        """Points of B faces; the vertices are the landmarks with their depth."""
        turned = self.model.points(coefficients) @ axis_angle_to_matrix(coefficients.rotation).transpose(1, 2)
        vertices = CROP_SIZE / 2 * coefficients.camera[:, None, :1] * turned
        return FacePoints(vertices, self.model.landmarks(coefficients, CROP_SIZE))

    def identity(self, images: Tensor) -> Tensor:
        """Embeddings (B, D) of images (B, 3, S, S) in [-1, 1]."""
        return self.network(images).identity

    def perceptual(self, first: Tensor, second: Tensor) -> Tensor:
        """Distance of two batches of images (B, 3, S, S), the mean over the batch: of the network's scaled maps."""
        return perceptual_loss(*(scaled_maps(self.network, images) for images in (first, second)))
