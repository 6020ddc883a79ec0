"""A face reader in one file: every image shows two faces, its left and its right half; brightness opens the mouth."""

from __future__ import annotations

import math

import torch

from diffusionact.face.errors import NoFaceFoundError
from diffusionact.face.geometry.alignment import cut_crop
from diffusionact.face.readers.entry import FaceReaderEntry
from diffusionact.face.readers.reader import CroppedFace, SourceFace
from diffusionact.types import CropTransform, FaceCoefficients, FaceObservation

SIDE = 256
ANGLES = torch.arange(68) * (2 * math.pi / 68)
CIRCLE = 0.6 * torch.stack([ANGLES.cos(), ANGLES.sin()], dim=-1)


class ToyFaceModel:
    """A circle of landmarks that grows with the only expression value."""

    name = "toy circle"
    camera_size = SIDE
    num_expression = 1
    expression_names = ()

    def landmarks(self, coefficients: FaceCoefficients, size: int) -> torch.Tensor:
        radius = coefficients.camera[:, :1, None] * (1 + 0.2 * coefficients.expression[:, :, None])
        return size / 2 * (1 + radius * CIRCLE.to(radius))

    def head_pose(self, rotation: torch.Tensor) -> torch.Tensor:
        return torch.rad2deg(rotation)

    def rotation(self, head_pose: torch.Tensor) -> torch.Tensor:
        return torch.deg2rad(head_pose)

    def limit_expression(self, expression: torch.Tensor) -> torch.Tensor:
        return expression.clamp(0.0, 1.0)

    def named_expression(self, change: torch.Tensor) -> torch.Tensor:
        return change.sum(1, keepdim=True)

    def jaw_open(self, expression: torch.Tensor) -> torch.Tensor:
        return expression[:, 0]


class ToyFaceReader:
    """See `FaceReader`."""

    name = "toy"
    camera_frame = "aligned"

    def __init__(self):
        self.face_model, self.device = ToyFaceModel(), torch.device("cpu")

    def to(self, device):
        self.device = torch.device(device)
        return self

    def faces_in(self, image):
        height, width = image.shape[:2]
        return torch.tensor([[0.0, 0.0, width / 2, height], [width / 2, 0.0, width, height]])

    def embed_identity(self, image):
        return None

    def read_source(self, image, face):
        index = face if isinstance(face, int) else 0
        if index > 1:
            raise NoFaceFoundError(f"Expected a face of 2, received the index {index}. Choose a smaller index.")
        cropped = self._read(image, index)
        return SourceFace(cut_crop(image, cropped.crop, SIDE), cropped)

    def read(self, frames, options, frame_rate):
        index = options.face if isinstance(options.face, int) else 0
        return (self._read(frame, index) for frame in frames)

    def _read(self, image, index):
        left, top, right, bottom = self.faces_in(image)[index].tolist()
        scale = SIDE / max(right - left, bottom - top)
        matrix = torch.tensor([[[scale, 0.0, -scale * left], [0.0, scale, -scale * top]]])
        brightness = image[int(top) : int(bottom), int(left) : int(right)].float().mean().reshape(1, 1) / 255
        coefficients = FaceCoefficients(
            torch.ones(1, 2), brightness, torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]]), self.face_model.name
        )
        seen = FaceObservation(
            landmarks=self.face_model.landmarks(coefficients, SIDE),
            pupils=torch.full((1, 2, 2), SIDE / 2),
            head_pose=torch.zeros(1, 3),
            gaze=torch.zeros(1, 2),
            expression=brightness,
            confidence=torch.ones(1),
            found=torch.ones(1, dtype=torch.bool),
        )
        return CroppedFace(coefficients, seen, CropTransform(matrix, SIDE), CropTransform(torch.eye(2, 3)[None], SIDE))


ENTRY = FaceReaderEntry(
    name="toy",
    description="two halves of every image",
    load=lambda folder: ToyFaceReader(),
    is_usable=lambda: True,
    face_model=ToyFaceModel.name,
    folder="not used",
)
