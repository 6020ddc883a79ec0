"""What the pipeline asks of a face tracker and its face model, whichever lane they belong to.

A reader turns images into coefficients; its face model turns coefficients into landmarks. Two exist: the open one
(`open_face_reader.py`) and the authors' (`emoca/tracker.py`).
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
    """Faces inside their aligned crops, one row a frame.

    Attributes:
        coefficients: camera in the face model's square of `camera_size`.
        observation: what was tracked, in px of the aligned crop.
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
        camera_size: side of the square that the coefficients' cameras are given for, pixels.
        num_expression: E, the number of expression values.
    """

    camera_size: int
    num_expression: int

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
        name: "open", "emoca", ...; written into saved sources.
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

    def read(self, frames: Iterable[Tensor], options: PoseOptions, frame_rate: float) -> Iterator[CroppedFace]:
        """Track a clip lazily, one row a frame.

        Args:
            frames: uint8 (H, W, 3) driving frames.
            options: which face, gaps, crop, smoothing.
            frame_rate: frames a second.

        Raises:
            NoFaceFoundError: see `PoseOptions.missing`.
        """
