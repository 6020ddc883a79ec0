"""The open face model: 68 landmarks in 3D, linear in identity and in 52 expression values, and its fit to faces.

points = mean + shape @ identity_basis + expression @ expression_basis, in the head frame of `rotations.py`, seen by the
camera of `projection.py`. Identity coefficients have unit variance over the population. Built from CC0 data by
`conversion/open_face_model.py`; the tracker's expression values are taken as they are.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..types import FaceCoefficients
from .ibug68 import CONTOUR, INNER_LIPS, LEFT_EYE, NUM_LANDMARKS, OUTER_LIPS, RIGHT_EYE
from .projection import project, unproject
from .rotations import axis_angle_to_matrix, head_pose_to_matrix, matrix_to_axis_angle

DATA_FILE = Path(__file__).with_name("data") / "open_face_model.safetensors"

# The contour slides over the skin as the head turns, and lids and lips depend on the expression values.
CONTOUR_WEIGHT = 0.3
MOVING_WEIGHT = 0.5
# Assumed standard deviations: of a landmark around the model (share of the crop's side), of the tracker's rotation.
LANDMARK_SIGMA = 0.01
ROTATION_SIGMA_RAD = 0.07
ITERATIONS = 6


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
        observation_offset: (68, 3) where the tracker sees each landmark, relative to where the model has it.
    """

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

    def points(self, coefficients: FaceCoefficients) -> Tensor:
        """Landmarks (B, 68, 3) in the head frame, before rotation."""
        return self._points(coefficients.shape, coefficients.expression)

    def landmarks(self, coefficients: FaceCoefficients, size: int) -> Tensor:
        """Landmarks (B, 68, 2) px in a crop of `size`."""
        rotation = axis_angle_to_matrix(coefficients.rotation)
        return project(self.points(coefficients) @ rotation.transpose(1, 2), coefficients.camera, size)

    def fit(self, landmarks: Tensor, expression: Tensor, head_pose: Tensor, size: int) -> FaceCoefficients:
        """Fit identity, rotation and camera to tracked faces, each row on its own.

        Regularised least squares: identity has a unit normal prior, rotation stays near the tracker's.

        Args:
            landmarks: (B, 68, 2) px, from the tracker, in a crop.
            expression: (B, 52), kept.
            head_pose: (B, 3) yaw, pitch, roll in degrees, from the tracker.
            size: side of the crop, pixels.
        """
        return self._fit(landmarks, expression, head_pose, size, shared=False)

    def fit_shape(self, landmarks: Tensor, expression: Tensor, head_pose: Tensor, size: int) -> Tensor:
        """One identity (1, K) for several frames of a person; arguments as in `fit`."""
        return self._fit(landmarks, expression, head_pose, size, shared=True).shape[:1]

    def fit_pose(
        self, landmarks: Tensor, shape: Tensor, expression: Tensor, head_pose: Tensor, size: int
    ) -> FaceCoefficients:
        """Fit rotation and camera to tracked faces of known identity `shape` (B or 1, K); the rest as in `fit`."""
        plane = unproject(landmarks, size)
        tracked = head_pose_to_matrix(head_pose)
        shape = shape.expand(len(landmarks), -1)
        points = self._observed_points(shape, expression)
        rotation, camera = tracked, _solve_camera(points @ tracked.transpose(1, 2), plane, self.weights)
        for _ in range(ITERATIONS):
            rotation, camera = _refine_pose(points, plane, self.weights, rotation, camera, tracked)
        return FaceCoefficients(shape, expression, matrix_to_axis_angle(rotation), camera)

    def _fit(
        self, landmarks: Tensor, expression: Tensor, head_pose: Tensor, size: int, shared: bool
    ) -> FaceCoefficients:
        plane = unproject(landmarks, size)
        tracked = head_pose_to_matrix(head_pose)
        shape = self.mean.new_zeros(len(landmarks), self.num_identity)
        points = self._observed_points(shape, expression)
        rotation, camera = tracked, _solve_camera(points @ tracked.transpose(1, 2), plane, self.weights)
        for _ in range(ITERATIONS):
            rotation, camera = _refine_pose(points, plane, self.weights, rotation, camera, tracked)
            shape = self._solve_shape(plane, expression, rotation, camera, shared)
            points = self._observed_points(shape, expression)
        return FaceCoefficients(shape, expression, matrix_to_axis_angle(rotation), camera)

    def _points(self, shape: Tensor, expression: Tensor) -> Tensor:
        identity = torch.einsum("bk,kni->bni", shape, self.identity_basis)
        return self.mean + identity + torch.einsum("be,eni->bni", expression, self.expression_basis)

    def _observed_points(self, shape: Tensor, expression: Tensor) -> Tensor:
        return self._points(shape, expression) + self.observation_offset

    def _solve_shape(self, plane: Tensor, expression: Tensor, rotation: Tensor, camera: Tensor, shared: bool) -> Tensor:
        """Identity (B, K) of given pose; the rows are equal if `shared`."""
        to_plane = camera[:, :1, None] * rotation[:, :2]
        average = self._observed_points(plane.new_zeros(len(plane), self.num_identity), expression)
        residual = plane - _place(average @ rotation.transpose(1, 2), camera)
        design = torch.einsum("bij,knj->bnik", to_plane, self.identity_basis)
        weighted = design * self.weights[:, None, None]
        normal = torch.einsum("bnik,bnil->bkl", weighted, design)
        right = torch.einsum("bnik,bni->bk", weighted, residual)
        if shared:
            normal, right = normal.sum(0, keepdim=True), right.sum(0, keepdim=True)
        prior = (2 * LANDMARK_SIGMA) ** 2 * torch.eye(self.num_identity, dtype=plane.dtype, device=plane.device)
        return torch.linalg.solve(normal + prior, right[..., None])[..., 0].expand(len(plane), -1)


def _place(turned: Tensor, camera: Tensor) -> Tensor:
    """Rotated points (B, N, 3) on the camera's plane (B, N, 2)."""
    return camera[:, None, :1] * (turned[..., :2] + camera[:, None, 1:])


def _solve_camera(turned: Tensor, plane: Tensor, weights: Tensor) -> Tensor:
    """Camera (B, 3) that brings rotated points (B, N, 3) nearest to their places (B, N, 2)."""
    share = (weights / weights.sum())[:, None]
    centre, place = (share * turned[..., :2]).sum(1), (share * plane).sum(1)
    points, places = turned[..., :2] - centre[:, None], plane - place[:, None]
    scale = (share * points * places).sum((1, 2)) / (share * points.square()).sum((1, 2))
    scale = scale.clamp(min=1e-3)
    return torch.cat([scale[:, None], place / scale[:, None] - centre], dim=-1)


def _refine_pose(
    points: Tensor, plane: Tensor, weights: Tensor, rotation: Tensor, camera: Tensor, tracked: Tensor
) -> tuple[Tensor, Tensor]:
    """One Gauss-Newton step on rotation and camera together, with the rotation held near the tracker's."""
    turned = points @ rotation.transpose(1, 2)
    residual = plane - _place(turned, camera)
    scale = camera[:, :1]
    x, y, z = turned.unbind(-1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    # A small turn d moves a point p by d x p. Columns: d_x, d_y, d_z, scale (camera centre fixed), shift x, shift y.
    row_x = torch.stack([zero, scale * z, -scale * y, x + camera[:, 1:2], one, zero], dim=-1)
    row_y = torch.stack([-scale * z, zero, scale * x, y + camera[:, 2:3], zero, one], dim=-1)
    design = torch.stack([row_x, row_y], dim=2)
    weighted = design * weights[:, None, None]
    strength = (2 * LANDMARK_SIGMA / ROTATION_SIGMA_RAD) ** 2
    prior = torch.diag(points.new_tensor([strength] * 3 + [1e-9] * 3))
    away = matrix_to_axis_angle(rotation @ tracked.transpose(1, 2))
    pull = torch.cat([-strength * away, torch.zeros_like(away)], dim=-1)
    normal = torch.einsum("bnip,bniq->bpq", weighted, design) + prior
    right = torch.einsum("bnip,bni->bp", weighted, residual) + pull
    step = torch.linalg.solve(normal, right[..., None])[..., 0]
    new_scale = (scale + step[:, 3:4]).clamp(min=1e-3)
    shift = (scale * camera[:, 1:] + step[:, 3:4] * camera[:, 1:] + step[:, 4:]) / new_scale
    return axis_angle_to_matrix(step[:, :3]) @ rotation, torch.cat([new_scale, shift], dim=-1)
