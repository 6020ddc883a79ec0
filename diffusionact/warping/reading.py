"""Reads the face of a photo for the warp: mesh, aligned crop, coefficients and gaze of one face."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..checks import check_frames
from ..face.errors import NoFaceFoundError
from ..face.geometry.alignment import crop_transform, transform_points
from ..face.geometry.gaze import gaze_from_pupils
from ..face.geometry.rotations import matrix_to_head_pose
from ..face.readers.open.face_model import OpenFaceModel
from ..face.readers.open.landmarker import FaceLandmarker, Faces
from ..face.readers.open.lip_opening import correct_lip_opening
from ..face.readers.open.mesh_landmarks import PUPIL_POINTS
from ..face.readers.open.reader import rotate_head_pose
from ..types import FaceCoefficients
from .placement import ALIGNED_SIZE
from .topology import load_topology

# Mean distance of landmarks, as a share of the face's extent, beyond which they are another face's.
SAME_FACE = 0.6
# Half the side of the part of a photo that is looked at by itself, in sizes of the face.
NEAR_FACE = 1.5


@dataclass(frozen=True)
class FaceReading:
    """One face of a photo, as `prepare_source` takes it.

    Attributes:
        mesh: (478, 3) px of the photo.
        aligned: (2, 3) photo px -> aligned crop of 256 px.
        coefficients: one row.
        gaze: (1, 2) pitch, yaw in radians.
    """

    mesh: Tensor
    aligned: Tensor
    coefficients: FaceCoefficients
    gaze: Tensor


@torch.no_grad()
def read_face(
    photo: Tensor, landmarker: FaceLandmarker, face_model: OpenFaceModel, landmarks: Tensor | None = None
) -> FaceReading:
    """Read one face of a photo.

    Args:
        photo: (H, W, 3) uint8, on the landmarker's device.
        landmarker: finds the mesh.
        face_model: the open face model, on the same device.
        landmarks: (68, 2) px of the wanted face, as a face reader found it; the nearest face is taken. None takes the
            largest.

    Raises:
        NoFaceFoundError: if the photo shows no face.
        ValueError: if the photo has another shape.
    """
    faces, row = find_face(photo, landmarker, landmarks)
    mesh, matrix = faces.points[row : row + 1], load_topology(photo.device).landmark_matrix
    marks = matrix @ mesh[..., :2]
    aligned = crop_transform(marks.double(), ALIGNED_SIZE).matrix.to(mesh)
    inside = transform_points(aligned, marks)
    pupils = transform_points(aligned, mesh[:, list(PUPIL_POINTS), :2])
    turn = matrix_to_head_pose(landmarker.geometry.apparent_rotation(mesh))
    expression = correct_lip_opening(faces.blendshapes[row : row + 1], mesh, landmarker.geometry)
    coefficients = face_model.fit(inside, expression, rotate_head_pose(turn, aligned), ALIGNED_SIZE)
    return FaceReading(mesh[0], aligned[0], coefficients, gaze_from_pupils(inside, pupils))


@torch.no_grad()
def find_face(photo: Tensor, landmarker: FaceLandmarker, landmarks: Tensor | None = None) -> tuple[Faces, int]:
    """All faces of a photo, and the row of the wanted one; arguments and errors as in `read_face`."""
    check_frames("photo", photo[None])
    faces = landmarker(photo[None])[0]
    if landmarks is not None and (not len(faces) or nearest_face(faces, landmarks) is None):
        near = _look_near(photo, landmarker, landmarks)
        faces = near if near is not None and len(near) else faces
    if not len(faces):
        raise NoFaceFoundError(
            f"Expected a photo with a face, received {photo.shape[1]} x {photo.shape[0]} px in which none was found; "
            f"use a sharper or larger photo, or crop it nearer to the face."
        )
    row = 0 if landmarks is None else nearest_face(faces, landmarks)
    if row is None:
        raise NoFaceFoundError(
            "Expected the face that was chosen, received a photo in which the mesh finds only others. Crop the photo "
            "nearer to that face."
        )
    return faces, row


def _look_near(photo: Tensor, landmarker: FaceLandmarker, landmarks: Tensor) -> Faces | None:
    """The faces around landmarks (68, 2) px alone: one that is small in a large photo is overlooked in the whole.

    None if they lie beside the photo.

    Points and boxes are px of the photo; `transforms` belong to the part that was looked at.
    """
    low, high = landmarks.amin(0), landmarks.amax(0)
    reach = NEAR_FACE * float((high - low).max())
    left, top = (max(0, int(value)) for value in ((low + high) / 2 - reach).tolist())
    right, bottom = (max(0, int(value) + 1) for value in ((low + high) / 2 + reach).tolist())
    part = photo[top:bottom, left:right]
    if not part.numel():
        return None
    faces = landmarker(part[None])[0]
    shift = faces.points.new_tensor([left, top])
    return replace(
        faces,
        points=torch.cat([faces.points[..., :2] + shift, faces.points[..., 2:]], dim=-1),
        boxes=faces.boxes + shift.repeat(2),
        key_points=faces.key_points + shift,
    )


def nearest_face(faces: Faces, landmarks: Tensor) -> int | None:
    """The row of the face whose landmarks lie nearest to landmarks (68, 2) px; None if that is another face."""
    marks = load_topology(faces.points.device).landmark_matrix @ faces.points[..., :2]
    distances = (marks - landmarks.to(marks)).norm(dim=-1).mean(1)
    row = int(distances.argmin())
    extent = (marks[row].amax(0) - marks[row].amin(0)).max()
    return row if float(distances[row]) < SAME_FACE * float(extent) else None
