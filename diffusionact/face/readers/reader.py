"""What the pipeline asks of a face reader and its face model, whichever backend they belong to.

A reader turns images into coefficients; its face model turns coefficients into landmarks. `registry.py` lists them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ...types import CropTransform, FaceCoefficients, FaceObservation
from ..pose.options import PoseOptions


@dataclass(frozen=True)
class CroppedFace:
    """Faces inside their aligned crops, one row per frame.

    Attributes:
        coefficients: camera in the face model's square of `camera_size`.
        observation: what was seen, in px of the aligned crop.
        crop: full image -> aligned crop of ALIGNED_SIZE.
        camera_crop: aligned crop -> the camera's square.
    """

    coefficients: FaceCoefficients
    observation: FaceObservation
    crop: CropTransform
    camera_crop: CropTransform


@dataclass(frozen=True)
class SourceFace:
    """A source's face: its aligned image uint8 (ALIGNED_SIZE, ALIGNED_SIZE, 3) and its coefficients, one row."""

    aligned: Tensor
    face: CroppedFace


class FaceModel(Protocol):
    """Coefficients -> landmarks.

    Attributes:
        name: its identity: coefficients carry it, and fit only the model of the same name.
        camera_size: side of the square that the coefficients' cameras are given for, pixels.
        num_expression: E, the number of expression values.
        expression_names: of the E values, in order; empty where the model's values have no names.
    """

    name: str
    camera_size: int
    num_expression: int
    expression_names: tuple[str, ...]

    def landmarks(self, coefficients: FaceCoefficients, size: int) -> Tensor:
        """(B, 68, 2) px of a square of `size`, iBUG-68."""

    def head_pose(self, rotation: Tensor) -> Tensor:
        """Head pose (B, 3) in the convention of `rotations.py` of the model's rotations (B, 3) axis-angle."""

    def rotation(self, head_pose: Tensor) -> Tensor:
        """The inverse of `head_pose`: axis-angle (B, 3) of yaw, pitch, roll in degrees (B, 3)."""

    def limit_expression(self, expression: Tensor) -> Tensor:
        """The nearest expression (B, E) that the model means."""

    def named_expression(self, change: Tensor) -> Tensor:
        """(B, E) of a change (B, 52) of the values in `expression_names.py`."""

    def jaw_open(self, expression: Tensor) -> Tensor:
        """How far the mouth is opened by the jaw (B,), in the model's own unit, of expressions (B, E)."""


class FaceReader(Protocol):
    """Images -> coefficients.

    Attributes:
        name: "open", "emoca", ...; that of its `FaceReaderEntry`.
        face_model: draws the coefficients.
        camera_frame: where the cameras of its coefficients lie: "aligned" or "crop224".
        device: where its networks run.
    """

    name: str
    face_model: FaceModel
    camera_frame: str
    device: torch.device

    def to(self, device: torch.device | str) -> FaceReader:
        """Move the networks."""

    def read_source(self, image: Tensor, face: str | int) -> SourceFace:
        """Find and align the face of a source image uint8 (H, W, 3).

        Raises:
            NoFaceFoundError: if the image shows no such face.
        """

    def faces_in(self, image: Tensor) -> Tensor:
        """Boxes (N, 4) left, top, right, bottom px of all faces of an image uint8 (H, W, 3), largest first.

        The order is that of the index `face` of `read_source`.
        """

    def embed_identity(self, image: Tensor) -> Tensor | None:
        """Identity (D,) of unit length of the best face of an image uint8 (H, W, 3); None without a face or a net."""

    def read(self, frames: Iterable[Tensor], options: PoseOptions, frame_rate: float) -> Iterator[CroppedFace]:
        """Read a clip lazily, one row per frame.

        Args:
            frames: uint8 (H, W, 3) driving frames.
            options: which face, gaps, crop, smoothing.
            frame_rate: frames per second.

        Raises:
            NoFaceFoundError: see `PoseOptions.missing`.
        """


def check_face_model(face_model: FaceModel, coefficients: FaceCoefficients, what: str) -> None:
    """Raise ValueError unless coefficients belong to a face model.

    Args:
        face_model: what should draw them.
        coefficients: of any face model.
        what: names their owner in the message, such as "a source".
    """
    if coefficients.face_model != face_model.name:
        raise ValueError(
            f"Expected {what} of the face model {face_model.name!r}, received one of {coefficients.face_model!r}. "
            "Encode the source and extract the pose with the same face reader (tracker)."
        )
