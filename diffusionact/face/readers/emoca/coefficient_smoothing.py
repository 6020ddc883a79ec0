"""Tracked FLAME coefficients over time: One Euro smoothing, and what stands in for frames without a face."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ....types import CropTransform
from ...geometry.rotations import blend_rotations
from ..missing import as_filled, blend
from ..reader import CroppedFace
from ..smoothing import MAX_CUTOFF_HZ, SLOWEST_CUTOFF_HZ, OneEuroFilter

# Growth of the cutoff, Hz per (unit per second), in the manner of `face/readers/smoothing.py`. Units: deviations of the
# expression, radians of head, jaw and gaze, half crops of the camera, pixels of the crop.
EXPRESSION_BETA = 1.0
ANGLE_BETA = 4.6
CAMERA_BETA = 8.0
CROP_BETA = 0.08
NUM_JAW = 3
HEAD_RADIUS_M = 0.1


def smooth_faces(faces: Iterator[CroppedFace], frame_rate: float, strength: float) -> Iterator[CroppedFace]:
    """Smooth expression, rotations, camera, gaze and the camera's crop; a frame depends on those before it only.

    Args:
        faces: one row each.
        frame_rate: frames per second.
        strength: 0 (barely) to 1 (strong).
    """
    cutoff = MAX_CUTOFF_HZ * (SLOWEST_CUTOFF_HZ / MAX_CUTOFF_HZ) ** strength

    def smoother(beta: float) -> Callable[[Tensor], Tensor]:
        return OneEuroFilter(frame_rate, cutoff, beta)

    values, jaw, rotation, gaze = (smoother(beta) for beta in (EXPRESSION_BETA, ANGLE_BETA, ANGLE_BETA, ANGLE_BETA))
    camera, crop = smoother(CAMERA_BETA), smoother(CROP_BETA)
    for face in faces:
        old = face.coefficients
        expression = torch.cat([values(old.expression[:, :-NUM_JAW]), jaw(old.expression[:, -NUM_JAW:])], dim=-1)
        coefficients = replace(
            old,
            expression=expression,
            rotation=rotation(old.rotation),
            camera=_from_plane(camera(_to_plane(old.camera))),
        )
        yield replace(
            face,
            coefficients=coefficients,
            observation=replace(face.observation, gaze=gaze(face.observation.gaze), expression=expression),
            camera_crop=replace(face.camera_crop, matrix=crop(face.camera_crop.matrix)),
        )


def mark_filled(face: CroppedFace) -> CroppedFace:
    """The same face, marked as not seen."""
    return replace(face, observation=as_filled(face.observation))


def blend_faces(before: CroppedFace, after: CroppedFace, share: float) -> CroppedFace:
    """Face between two others, one row each: rotations on the shortest turn, everything else on a line."""
    first, second = before.coefficients, after.coefficients
    coefficients = replace(
        first,
        shape=torch.lerp(first.shape, second.shape, share),
        expression=torch.lerp(first.expression, second.expression, share),
        rotation=blend_rotations(first.rotation, second.rotation, share),
        camera=torch.lerp(first.camera, second.camera, share),
    )
    return CroppedFace(
        coefficients,
        blend(before.observation, after.observation, share),
        _blend_transforms(before.crop, after.crop, share),
        _blend_transforms(before.camera_crop, after.camera_crop, share),
    )


def _blend_transforms(first: CropTransform, second: CropTransform, share: float) -> CropTransform:
    return replace(first, matrix=torch.lerp(first.matrix, second.matrix, share))


def _to_plane(camera: Tensor) -> Tensor:
    """Camera (B, 3) as the head's radius and its shift on the plane, whose unit is half the crop."""
    return camera[:, :1] * torch.cat([torch.full_like(camera[:, :1], HEAD_RADIUS_M), camera[:, 1:]], dim=-1)


def _from_plane(plane: Tensor) -> Tensor:
    scale = plane[:, :1] / HEAD_RADIUS_M
    return torch.cat([scale, plane[:, 1:] / scale], dim=-1)
