"""Head placements: fitted to a mesh, and of the open face model's coefficients."""

from __future__ import annotations

import torch
from torch import Tensor

from ..face.geometry.rotations import axis_angle_to_matrix
from ..face.readers.open.face_model import OpenFaceModel
from ..face.readers.open.landmarker.geometry import weighted_similarity
from .topology import load_topology
from .values import HeadPlacement

ALIGNED_SIZE = 256
# Heads are rounder than the meshes that the net draws of them: a point lacks MIDDLE_LACKS - SIDES_EXCEED * x^2 cm of
# depth, x cm from the middle of the face. Fitted to 40 AI-made people by `tools/head_depth.py`; five others give 0.51
# and 0.038, 30 rendered ones 0.29 and 0.023. Without it turns are read back as 0.83 of what was asked for, with it as
# 0.96 (`benchmarks/read_back.py`).
MIDDLE_LACKS, SIDES_EXCEED = 0.36, 0.029


def mesh_to_plane(mesh: Tensor) -> Tensor:
    """Mesh points (F, 478, 3) in aligned px, depth in the same unit and smaller when nearer, on the plane."""
    half = ALIGNED_SIZE / 2
    return mesh * mesh.new_tensor([1.0, -1.0, -1.0]) / half + mesh.new_tensor([-1.0, 1.0, 0.0])


def plane_to_aligned(plane: Tensor) -> Tensor:
    """Plane points (*S, 3) as aligned px, x right, y down; z in px, still growing towards the camera."""
    half = ALIGNED_SIZE / 2
    return plane * plane.new_tensor([half, -half, half]) + plane.new_tensor([half, half, 0.0])


def transform_mesh(mesh: Tensor, matrix: Tensor) -> Tensor:
    """Mesh points (F, 478, 3) px through similarities (F or 1, 2, 3); depth takes their scale."""
    points = mesh[..., :2] @ matrix[..., :2].transpose(-1, -2) + matrix[..., 2].unsqueeze(-2)
    scale = torch.linalg.det(matrix[..., :2]).abs().sqrt()
    return torch.cat([points, mesh[..., 2:] * scale[:, None, None]], dim=-1)


def fit_placement(plane: Tensor) -> HeadPlacement:
    """Placements of meshes (F, 478, 3) on the plane: the canonical face fitted as the face mesh's own geometry does."""
    topology = load_topology(plane.device)
    chosen, canonical = plane[:, topology.fit_indices], topology.canonical[topology.fit_indices]
    rotation, scale, shift = weighted_similarity(canonical, chosen, topology.fit_weights)
    return HeadPlacement(rotation, scale, shift)


def head_shape(placement: HeadPlacement, plane: Tensor) -> Tensor:
    """Meshes on the plane (F, 478, 3) in head space (F, 478, 3), cm, as deep as heads are.

    Depth is added along the view, so that every point stays where it was seen.
    """
    shape = placement.to_head(plane)
    missing = MIDDLE_LACKS - SIDES_EXCEED * shape[..., 0].square()
    ray = placement.rotation[:, 2, None]
    return shape + (missing * ray[..., 2])[..., None] * ray


def model_origin(face_model: OpenFaceModel) -> Tensor:
    """(3,) where the canonical face's origin lies in the face model's head frame, in the model's unit."""
    topology = load_topology(face_model.mean.device)
    marks = topology.landmark_matrix[:, : len(topology.canonical)] @ topology.canonical
    centred, model = marks - marks.mean(0), face_model.mean - face_model.mean.mean(0)
    unit = (centred * model).sum() / centred.square().sum()
    return face_model.mean.mean(0) - unit * marks.mean(0)


def place_on_axis(placement: HeadPlacement, rotation: Tensor, camera: Tensor, origin: Tensor) -> HeadPlacement:
    """The same placement with its depth measured from the face model's origin, about which the model turns.

    Args:
        placement: of the source's mesh, one row.
        rotation: (1, 3) axis-angle of the source's coefficients.
        camera: (1, 3) of the same.
        origin: (3,) see `model_origin`.
    """
    depth = camera[:, 0] * (axis_angle_to_matrix(rotation) @ origin)[:, 2]
    return HeadPlacement(placement.rotation, placement.scale, torch.cat([placement.shift[:, :2], depth[:, None]], 1))


def move_placement(placement: HeadPlacement, start: tuple[Tensor, Tensor], end: tuple[Tensor, Tensor]) -> HeadPlacement:
    """A placement moved as the face model's head moves between two poses.

    A point p of the model lies at s (R p + t) on the plane; what lies there in the start pose is carried to where the
    end pose has it. Equal poses give the placement itself.

    Args:
        placement: one row, with the depth of `place_on_axis`.
        start: rotation (1, 3) axis-angle and camera (1, 3).
        end: rotations (F, 3) and cameras (F, 3).

    Returns:
        F rows.
    """
    before, after = axis_angle_to_matrix(start[0]), axis_angle_to_matrix(end[0])
    turn = after @ before.transpose(1, 2)
    zoom = end[1][:, 0] / start[1][:, 0]
    start_shift, end_shift = (torch.cat([c[:, 1:], torch.zeros_like(c[:, :1])], 1) for c in (start[1], end[1]))
    centred = placement.shift / start[1][:, :1] - start_shift
    moved = (turn @ centred[..., None])[..., 0] + end_shift
    return HeadPlacement(turn @ placement.rotation, zoom * placement.scale, end[1][:, :1] * moved)
