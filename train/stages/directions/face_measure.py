"""Faces of images as the objective compares them: DECA's coefficients, and FLAME's points at a fixed camera."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from diffusionact.face.geometry.crop_frame import CROP_SIZE
from diffusionact.face.readers.emoca.aligned_image import spans_a_face
from diffusionact.face.readers.emoca.components import DecaNetworks
from diffusionact.face.readers.emoca.crops import crop_for_deca
from diffusionact.face.readers.emoca.face_measuring import detect_faces, find_landmarks
from diffusionact.generation.face_parameters import PARAMETERS
from diffusionact.images import resize
from diffusionact.types import FaceCoefficients, map_tensors

from .single_changes import wanted_face

# Side of the images that faces are found and measured in, px.
MEASURED_SIZE = 256
# Scale, t_x, t_y: all faces are compared at one size and place.
CAMERA = (8.0, 0.0, 0.0)


@dataclass(frozen=True)
class FacePoints:
    """Points of B faces, px of the 224 px crop.

    Attributes:
        vertices: (B, V, 3) of FLAME's mesh; depth in the same unit.
        landmarks: (B, 68, 2).
    """

    vertices: Tensor
    landmarks: Tensor


class Measure(Protocol):
    """Reads faces for the objective; see `FaceMeasure` for the methods.

    Attributes:
        num_parameters: how many of `PARAMETERS`, the first ones, it reads.
    """

    num_parameters: int

    def find(self, images: Tensor) -> tuple[Tensor, Tensor]: ...

    def coefficients(self, images: Tensor, landmarks: Tensor) -> FaceCoefficients: ...

    def wanted(
        self, own: FaceCoefficients, other: FaceCoefficients, single: Tensor, change: Tensor, is_paired: bool
    ) -> FaceCoefficients: ...

    def points(self, coefficients: FaceCoefficients) -> FacePoints: ...


class FaceMeasure:
    """Measures faces with DECA; differentiable in the images, apart from where the face is looked for.

    Args:
        networks: of the face reader `deca`, without gradients for their weights.
    """

    num_parameters = len(PARAMETERS)

    def __init__(self, networks: DecaNetworks):
        self.networks = networks

    @torch.no_grad()
    def find(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Landmarks (B, 68, 2) px at 256 px of images (B, 3, S, S) in [-1, 1], and whether there is a face (B,)."""
        landmarks = [self._find_one(image[None]) for image in resize(images, MEASURED_SIZE)]
        found = torch.tensor([points is not None for points in landmarks], device=images.device)
        nothing = torch.zeros(1, 68, 2, device=images.device)
        return torch.cat([nothing if points is None else points for points in landmarks]), found

    def coefficients(self, images: Tensor, landmarks: Tensor) -> FaceCoefficients:
        """Of images (B, 3, S, S) in [-1, 1] with landmarks from `find`; seen by the fixed camera."""
        codes = self.networks.deca_encoder(crop_for_deca(resize(images, MEASURED_SIZE), landmarks))
        coefficients = codes.coefficients()
        return replace(coefficients, camera=images.new_tensor(CAMERA).expand(len(images), 3))

    def wanted(
        self, own: FaceCoefficients, other: FaceCoefficients, single: Tensor, change: Tensor, is_paired: bool
    ) -> FaceCoefficients:
        """What the reenacted face should be, see `single_changes.wanted_face`; of a pair with the target's shape."""
        return wanted_face(own, other, single, change, own_shape=not is_paired)

    def points(self, coefficients: FaceCoefficients) -> FacePoints:
        """Points of B faces."""
        flame, half = self.networks.flame, CROP_SIZE / 2
        vertices = flame.vertices(coefficients) * coefficients.camera[:, None, :1]
        flipped = vertices.new_tensor([1.0, -1.0, -1.0])  # as officially, where depth grows away from the camera
        return FacePoints(half * (1.0 + vertices * flipped), flame.landmarks(coefficients, CROP_SIZE))

    def _find_one(self, image: Tensor) -> Tensor | None:
        boxes = detect_faces(self.networks, image).boxes
        if not len(boxes):
            return None
        landmarks = find_landmarks(self.networks, image, boxes[0])
        return landmarks if spans_a_face(landmarks) else None


def rows_of(coefficients: FaceCoefficients, rows: Tensor) -> FaceCoefficients:
    """The coefficients of some of the faces."""
    return map_tensors(coefficients, lambda values: values[rows])
