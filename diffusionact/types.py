"""The values that travel between the pipeline's steps: frozen dataclasses of tensors, nothing else.

Frames come first in every tensor. Pixels are x right, y down; angles and camera follow `face/geometry/rotations.py` and
`face/geometry/projection.py`. Nothing here computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class CropTransform:
    """Affine maps from the pixels of one image to those of a square in it.

    Attributes:
        matrix: (B, 2, 3) float, px of the image (the full image, unless said otherwise) -> px of the square.
        size: side of the square, pixels.
    """

    matrix: Tensor
    size: int


@dataclass(frozen=True)
class FaceCoefficients:
    """Coefficients of a linear face model, one row a frame.

    Attributes:
        shape: (B, K) identity.
        expression: (B, E); 52 blendshapes in [0, 1] for the open model, 50 coefficients and the jaw's axis-angle for
            FLAME.
        rotation: (B, 3) axis-angle, radians, in the face model's own frame (open: head frame of
            `face/geometry/rotations.py`).
        camera: (B, 3) scale, t_x, t_y of the weak-perspective camera in a square of the face model's `camera_size`.
        face_model: name of the face model that they belong to: "open", "flame", ...
    """

    shape: Tensor
    expression: Tensor
    rotation: Tensor
    camera: Tensor
    face_model: str


@dataclass(frozen=True)
class FaceObservation:
    """What a face reader saw in F frames, in the pixels of the full frames.

    Rows whose `found` is False hold the value chosen by the missing-face policy.

    Attributes:
        landmarks: (F, 68, 2) px, iBUG-68.
        pupils: (F, 2, 2) px, the subject's right eye first.
        head_pose: (F, 3) yaw, pitch, roll in degrees.
        gaze: (F, 2) pitch, yaw in radians.
        expression: (F, E) values of the reader's face model; 52 blendshapes in [0, 1] of the open face model.
        confidence: (F,) in [0, 1].
        found: (F,) bool, a face was really seen in this frame.
    """

    landmarks: Tensor
    pupils: Tensor
    head_pose: Tensor
    gaze: Tensor
    expression: Tensor
    confidence: Tensor
    found: Tensor


@dataclass(frozen=True)
class FacePose:
    """How the source should be posed in each of F frames: the condition of the reenactment encoder.

    Landmarks, pupils and head pose are drawn from the other values by `face.pose.retargeting.face_pose`; change those
    and draw again instead of moving points.

    Attributes:
        landmarks: (F, 68, 2) px of the model's landmark frame, source shape with the driver's pose and expression.
        pupils: (F, 2, 2) px of the same frame, the subject's right eye first.
        head_pose: (F, 3) yaw, pitch, roll in degrees.
        gaze: (F, 2) pitch, yaw in radians.
        found: (F,) bool, False where the driving face was not seen and the missing-face policy filled in.
        coefficients: F rows, of the face model that drew the landmarks.
        frame: F rows, px of the coefficients' camera square -> px of the model's landmark frame.
    """

    landmarks: Tensor
    pupils: Tensor
    head_pose: Tensor
    gaze: Tensor
    found: Tensor
    coefficients: FaceCoefficients
    frame: CropTransform

    @property
    def expression(self) -> Tensor:
        """(F, E) expression values of the face model."""
        return self.coefficients.expression


@dataclass(frozen=True)
class SourceCodes:
    """Everything that is computed once per source.

    Attributes:
        image: (1, 3, H, W) in [-1, 1], the aligned source.
        crop: full image -> aligned source.
        coefficients: the source's own face coefficients, one row.
        frame: the coefficients' camera square -> the model's landmark frame, one row.
        gaze: (1, 2) pitch, yaw in radians.
        codes: name -> (1, ...), what the engine needs to render; of the diffusion engine "semantic_code" (1, D) and
            "stochastic_code" (1, 3, H, W), x_T.
    """

    image: Tensor
    crop: CropTransform
    coefficients: FaceCoefficients
    frame: CropTransform
    gaze: Tensor
    codes: Mapping[str, Tensor]

    @property
    def semantic_code(self) -> Tensor:
        """(1, D), of the diffusion engine."""
        return self.codes["semantic_code"]

    @property
    def stochastic_code(self) -> Tensor:
        """(1, 3, H, W), x_T of the diffusion engine."""
        return self.codes["stochastic_code"]


def map_tensors(value: T, function: Callable[[Tensor], Tensor]) -> T:
    """Return a copy of one of the dataclasses above with `function` applied to every tensor in it."""
    changes = {field.name: _mapped(getattr(value, field.name), function) for field in fields(value)}
    return replace(value, **changes)


def concatenate(values: list[T]) -> T:
    """Join values of one of the dataclasses above along the frame axis."""
    changes = {field.name: _joined([getattr(value, field.name) for value in values]) for field in fields(values[0])}
    return replace(values[0], **changes)


def _mapped(item: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(item, Tensor):
        return function(item)
    if isinstance(item, Mapping):
        return {name: function(tensor) for name, tensor in item.items()}
    return map_tensors(item, function) if hasattr(item, "__dataclass_fields__") else item


def _joined(items: list[Any]) -> Any:
    if isinstance(items[0], Tensor):
        return torch.cat(items)
    if isinstance(items[0], Mapping):
        return {name: torch.cat([item[name] for item in items]) for name in items[0]}
    return concatenate(items) if hasattr(items[0], "__dataclass_fields__") else items[0]
