"""A face inside a crop that a user changed: the same face, whose coefficients say where it is in the new square."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ...types import CropTransform, FaceCoefficients
from ..geometry.alignment import compose_transforms, cut_crop, transform_points
from ..geometry.crop_change import UNCHANGED, CropChange
from ..geometry.rotations import axis_angle_to_matrix, head_pose_to_matrix, matrix_to_axis_angle, matrix_to_head_pose
from .reader import CroppedFace, SourceFace

CAMERA_FRAME = "aligned"
# Among a source's codes: (1, 2, 3) px of the usual aligned crop -> px of the changed one, both of ALIGNED_SIZE px.
CROP_CODE = "crop_change"


def check_crop_change(change: CropChange, camera_frame: str) -> None:
    """Raise ValueError where a crop is changed that a face reader's camera does not lie in."""
    if change != UNCHANGED and camera_frame != CAMERA_FRAME:
        raise ValueError(
            f"Expected a face reader whose camera lies in the aligned crop to change that crop, received one with "
            f"{camera_frame!r}. Use the face reader (tracker) 'open' or 'insightface', or leave the crop as it is."
        )


def changed_face(face: CroppedFace, change: CropChange) -> CroppedFace:
    """Faces in a changed crop; nothing is read again, as a camera can be moved exactly.

    Args:
        face: B rows, of a reader whose camera lies in the aligned crop.
        change: of that crop.
    """
    if change == UNCHANGED:
        return face
    move = change.matrix(face.crop.size).to(face.crop.matrix)
    seen = face.observation
    roll = seen.head_pose.new_tensor([[0.0, 0.0, change.rotate]])
    pose = matrix_to_head_pose(head_pose_to_matrix(roll) @ head_pose_to_matrix(seen.head_pose))
    observation = replace(
        seen,
        landmarks=transform_points(move, seen.landmarks),
        pupils=transform_points(move, seen.pupils),
        head_pose=pose,
    )
    crop = CropTransform(compose_transforms(move, face.crop.matrix), face.crop.size)
    return replace(
        face,
        coefficients=moved_coefficients(face.coefficients, move, face.crop.size),
        observation=observation,
        crop=crop,
    )


def changed_source(image: Tensor, source: SourceFace, change: CropChange) -> SourceFace:
    """A source's face cut out anew from its image uint8 (H, W, 3)."""
    if change == UNCHANGED:
        return source
    face = changed_face(source.face, change)
    return SourceFace(cut_crop(image, face.crop, face.crop.size), face)


def moved_coefficients(coefficients: FaceCoefficients, move: Tensor, size: int) -> FaceCoefficients:
    """Coefficients after a similarity (1, 2, 3) of their square of `size` px: x' = M x + d on the camera's plane."""
    flip = move.new_tensor([1.0, -1.0])
    linear = flip[:, None] * move[0, :, :2] * flip
    offset = flip * (move[0, :, :2].sum(1) + move[0, :, 2] * (2 / size) - 1.0)
    factor = torch.linalg.det(linear).sqrt()
    turn = torch.eye(3, device=move.device)
    turn[:2, :2] = linear / factor
    scale = coefficients.camera[:, :1] * factor
    shift = coefficients.camera[:, 1:] @ turn[:2, :2].T + offset / scale
    rotation = matrix_to_axis_angle(turn @ axis_angle_to_matrix(coefficients.rotation))
    return replace(coefficients, rotation=rotation, camera=torch.cat([scale, shift], dim=1))
