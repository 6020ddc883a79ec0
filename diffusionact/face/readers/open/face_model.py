"""The open face model: 68 landmarks in 3D, linear in identity and in 52 expression values, and its fit to faces.

points = mean + shape @ identity_basis + expression @ expression_basis, in the head frame of `rotations.py`, seen by the
camera of `projection.py`. Identity coefficients have unit variance over the population. Built from CC0 data by
`tools/open_face_model.py`; the face reader's expression values are taken as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ....types import FaceCoefficients
from ...expression_names import EXPRESSION_NAMES
from ...geometry.ibug68 import CONTOUR, INNER_LIPS, LEFT_EYE, NUM_LANDMARKS, OUTER_LIPS, RIGHT_EYE
from ...geometry.projection import project, to_plane, unproject
from ...geometry.rotations import axis_angle_to_matrix, head_pose_to_matrix, matrix_to_axis_angle, matrix_to_head_pose

DATA_FILE = Path(__file__).with_name("data") / "open_face_model.safetensors"

# Side of the aligned crop that faces are fitted in, pixels: that of the official code.
ALIGNED_SIZE = 256

# The contour slides over the skin as the head turns, and lids and lips depend on the expression values.
CONTOUR_WEIGHT = 0.3
MOVING_WEIGHT = 0.5
# Assumed standard deviations: of a landmark around the model, on the camera's plane (2 is the crop's side); of the
# mesh's rotation. They balance the data against the priors.
LANDMARK_SIGMA_PLANE = 0.01
ROTATION_SIGMA_RAD = 0.02
MIN_SCALE = 1e-3
ITERATIONS = 4
JAW_OPEN = EXPRESSION_NAMES.index("jawOpen")


def fit_weights() -> Tensor:
    """(68,) trust in each landmark when a face is fitted."""
    weights = torch.ones(NUM_LANDMARKS)
    weights[list(CONTOUR)] = CONTOUR_WEIGHT
    weights[[*RIGHT_EYE, *LEFT_EYE, *OUTER_LIPS, *INNER_LIPS]] = MOVING_WEIGHT
    return weights


class OpenFaceModel(nn.Module):
    """Linear 3D landmark model.

    Args:
        mean: (68, 3) average face; the unit is the face's radius.
        identity_basis: (K, 68, 3), scaled by each component's standard deviation.
        expression_basis: (E, 68, 3).
        observation_offset: (68, 3) where the mesh has each landmark, relative to where the model has it.
    """

    name = "open"
    camera_size = ALIGNED_SIZE
    expression_names = EXPRESSION_NAMES

    def __init__(self, mean: Tensor, identity_basis: Tensor, expression_basis: Tensor, observation_offset: Tensor):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("identity_basis", identity_basis)
        self.register_buffer("expression_basis", expression_basis)
        self.register_buffer("observation_offset", observation_offset)
        self.register_buffer("weights", fit_weights(), persistent=False)

    @classmethod
    def from_bundled(cls) -> OpenFaceModel:
        """The model that ships with the package."""
        return cls(**load_file(DATA_FILE)).eval()

    @property
    def num_identity(self) -> int:
        """K, the number of identity coefficients."""
        return len(self.identity_basis)

    @property
    def num_expression(self) -> int:
        """E, the number of expression values."""
        return len(self.expression_basis)

    def head_pose(self, rotation: Tensor) -> Tensor:
        """Yaw, pitch, roll in degrees (B, 3) of rotations (B, 3) axis-angle."""
        return matrix_to_head_pose(axis_angle_to_matrix(rotation))

    def rotation(self, head_pose: Tensor) -> Tensor:
        """Axis-angle (B, 3) of yaw, pitch, roll in degrees (B, 3)."""
        return matrix_to_axis_angle(head_pose_to_matrix(head_pose))

    def limit_expression(self, expression: Tensor) -> Tensor:
        """Blendshapes (B, 52) clamped to [0, 1]."""
        return expression.clamp(0.0, 1.0)

    def named_expression(self, change: Tensor) -> Tensor:
        """The same values: this model's expression is named."""
        return change

    def jaw_open(self, expression: Tensor) -> Tensor:
        """The value jawOpen (B,) of expressions (B, 52)."""
        return expression[:, JAW_OPEN]

    def points(self, coefficients: FaceCoefficients) -> Tensor:
        """Landmarks (B, 68, 3) in the head frame, before rotation."""
        return self._points(coefficients.shape, coefficients.expression)

    def landmarks(self, coefficients: FaceCoefficients, size: int) -> Tensor:
        """Landmarks (B, 68, 2) px in a crop of `size`."""
        rotation = axis_angle_to_matrix(coefficients.rotation)
        return project(self.points(coefficients) @ rotation.transpose(1, 2), coefficients.camera, size)

    def fit(self, landmarks: Tensor, expression: Tensor, head_pose: Tensor, size: int) -> FaceCoefficients:
        """Fit identity, rotation and camera to tracked faces, each row on its own.

        Regularised least squares: identity has a unit normal prior, rotation stays near the mesh's.

        Args:
            landmarks: (B, 68, 2) px, from the mesh, in a crop.
            expression: (B, 52), kept.
            head_pose: (B, 3) yaw, pitch, roll in degrees, from the mesh.
            size: side of the crop, pixels.
        """
        # Gauss-Newton on identity and pose together; the pose is eliminated first (Schur complement).
        plane, tracked = unproject(landmarks, size), head_pose_to_matrix(head_pose)
        shape = self.mean.new_zeros(len(landmarks), self.num_identity)
        points = self._observed_points(shape, expression)
        pose = _Pose(tracked, _solve_camera(points @ tracked.transpose(1, 2), plane, self.weights))
        prior = LANDMARK_SIGMA_PLANE**2
        prior_matrix = prior * torch.eye(self.num_identity, dtype=plane.dtype, device=plane.device)
        for _ in range(ITERATIONS):
            system = self._linearise(points, plane, pose, tracked)
            design = torch.einsum("bij,knj->bnik", pose.camera[:, :1, None] * pose.rotation[:, :2], self.identity_basis)
            weighted = design * self.weights[:, None, None]
            mixed = torch.einsum("bnip,bnik->bpk", system.design, weighted)
            both = torch.linalg.solve(system.normal, torch.cat([mixed, system.right[..., None]], dim=-1))
            by_shape, by_residual = both[..., :-1], both[..., -1]
            reduced = torch.einsum("bnik,bnil->bkl", weighted, design) - mixed.transpose(1, 2) @ by_shape
            unexplained = system.residual - torch.einsum("bnip,bp->bni", system.design, by_residual)
            pull = torch.einsum("bnik,bni->bk", weighted, unexplained)
            change = torch.linalg.solve(reduced + prior_matrix, (pull - prior * shape)[..., None])[..., 0]
            shape = shape + change
            pose = pose.moved(by_residual - torch.einsum("bpk,bk->bp", by_shape, change))
            points = self._observed_points(shape, expression)
        return FaceCoefficients(shape, expression, matrix_to_axis_angle(pose.rotation), pose.camera, self.name)

    def fit_pose(
        self, landmarks: Tensor, shape: Tensor, expression: Tensor, head_pose: Tensor, size: int
    ) -> FaceCoefficients:
        """Fit rotation and camera to tracked faces of known identity `shape` (B or 1, K); the rest as in `fit`."""
        shape = shape.expand(len(landmarks), -1)
        points = self._observed_points(shape, expression)
        pose = self.place_points(points, landmarks, head_pose_to_matrix(head_pose), size)
        return FaceCoefficients(shape, expression, pose.rotation, pose.camera, self.name)

    def place_points(self, points: Tensor, landmarks: Tensor, rotation: Tensor, size: int) -> Placement:
        """Rotation and camera that bring points (B, 68, 3) onto landmarks (B, 68, 2) px, near rotation (B, 3, 3)."""
        plane = unproject(landmarks, size)
        pose = _Pose(rotation, _solve_camera(points @ rotation.transpose(1, 2), plane, self.weights))
        for _ in range(ITERATIONS):
            system = self._linearise(points, plane, pose, rotation)
            pose = pose.moved(torch.linalg.solve(system.normal, system.right[..., None])[..., 0])
        return Placement(matrix_to_axis_angle(pose.rotation), pose.camera)

    def _points(self, shape: Tensor, expression: Tensor) -> Tensor:
        identity = torch.einsum("bk,kni->bni", shape, self.identity_basis)
        return self.mean + identity + torch.einsum("be,eni->bni", expression, self.expression_basis)

    def _observed_points(self, shape: Tensor, expression: Tensor) -> Tensor:
        return self._points(shape, expression) + self.observation_offset

    def _linearise(self, points: Tensor, plane: Tensor, pose: _Pose, tracked: Tensor) -> _PoseSystem:
        """Normal equations of a small change of pose, with the rotation held near the mesh's."""
        turned = points @ pose.rotation.transpose(1, 2)
        residual = plane - to_plane(turned, pose.camera)
        scale, shift_x, shift_y = pose.camera[:, :, None].unbind(1)
        x, y, z = turned.unbind(-1)
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        # A small turn d moves a point p by d x p. Columns: d_x, d_y, d_z, scale, shift of the image in x and y.
        row_x = torch.stack([zero, scale * z, -scale * y, x + shift_x, one, zero], dim=-1)
        row_y = torch.stack([-scale * z, zero, scale * x, y + shift_y, zero, one], dim=-1)
        design = torch.stack([row_x, row_y], dim=2)
        weighted = design * self.weights[:, None, None]
        prior = (LANDMARK_SIGMA_PLANE / ROTATION_SIGMA_RAD) ** 2
        away = matrix_to_axis_angle(pose.rotation @ tracked.transpose(1, 2))
        pull = torch.cat([-prior * away, torch.zeros_like(away)], dim=-1)
        normal = torch.einsum("bnip,bniq->bpq", weighted, design) + torch.diag(
            points.new_tensor([prior] * 3 + [0.0] * 3)
        )
        return _PoseSystem(design, residual, normal, torch.einsum("bnip,bni->bp", weighted, residual) + pull)


@dataclass(frozen=True)
class Placement:
    """Rotation (B, 3), axis-angle radians, and camera (B, 3)."""

    rotation: Tensor
    camera: Tensor


@dataclass(frozen=True)
class _Pose:
    """Rotation matrices (B, 3, 3) and cameras (B, 3)."""

    rotation: Tensor
    camera: Tensor

    def moved(self, step: Tensor) -> _Pose:
        """After a step (B, 6): turn in radians, change of scale, shift on the camera's plane."""
        scale = (self.camera[:, :1] + step[:, 3:4]).clamp(min=MIN_SCALE)
        position = (self.camera[:, :1] + step[:, 3:4]) * self.camera[:, 1:] + step[:, 4:]
        camera = torch.cat([scale, position / scale], dim=-1)
        return _Pose(axis_angle_to_matrix(step[:, :3]) @ self.rotation, camera)


@dataclass(frozen=True)
class _PoseSystem:
    """Linearised pose: design (B, N, 2, 6), residual (B, N, 2), normal equations (B, 6, 6), right side (B, 6)."""

    design: Tensor
    residual: Tensor
    normal: Tensor
    right: Tensor


def _solve_camera(turned: Tensor, plane: Tensor, weights: Tensor) -> Tensor:
    """Camera (B, 3) that brings rotated points (B, N, 3) nearest to their positions (B, N, 2)."""
    share = (weights / weights.sum())[:, None]
    centre, position = (share * turned[..., :2]).sum(1), (share * plane).sum(1)
    points, positions = turned[..., :2] - centre[:, None], plane - position[:, None]
    scale = (share * points * positions).sum((1, 2)) / (share * points.square()).sum((1, 2))
    scale = scale.clamp(min=MIN_SCALE)
    return torch.cat([scale[:, None], position / scale[:, None] - centre], dim=-1)
