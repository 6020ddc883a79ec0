"""Bring the open face model and the open face reader together, with portraits whose truth is known.

Three things are estimated from what the reader saw in rendered heads: the turn between the resting poses of reader and
mesh, how far each expression value really moves the landmarks, and where the reader sees each landmark relative to the
model's point of the same number. Part of `python -m tools.open_face_model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusionact.face.expression_names import EXPRESSION_NAMES, NEUTRAL
from diffusionact.face.geometry.projection import unproject
from diffusionact.face.geometry.rotations import axis_angle_to_matrix, head_pose_to_matrix
from diffusionact.face.readers.open.face_model import OpenFaceModel

# Strength with which an expression's direction is held to the mesh's own. Rendered heads excite the reader's brow and
# smile values less than real faces do, so these keep their size.
RIDGE = 10.0
RIDGE_HELD = 1000.0
HELD = ("brow", "cheek", "mouthDimple", "mouthFrown", "mouthSmile", "noseSneer")
OFFSET_RIDGE = 1.0


@dataclass(frozen=True)
class Calibration:
    """N tracked renderings, as written by `tools.measure_face_model`.

    Attributes:
        action_names: names of the mesh's 52 facial actions.
        size: side of the images, pixels.
        neutral: (N, 68, 3) resting landmarks of the person, mesh units.
        actions: (N, 52) true actions.
        true_landmarks: (N, 68, 2) px.
        true_head_pose: (N, 3) degrees.
        landmarks, head_pose, expression: what the reader saw.
    """

    action_names: list[str]
    size: int
    neutral: np.ndarray
    actions: np.ndarray
    true_landmarks: np.ndarray
    true_head_pose: np.ndarray
    landmarks: np.ndarray
    head_pose: np.ndarray
    expression: np.ndarray

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """Read the npz file at `path`."""
        with np.load(path) as file:
            arrays = {name: file[name] for name in cls.__dataclass_fields__}
        names = arrays.pop("action_names").tolist()
        return cls(action_names=names, size=int(arrays.pop("size")), **arrays)

    def resting_turn(self) -> np.ndarray:
        """(3, 3) rotation from the mesh's resting pose to the reader's: the mean of tracked^T true."""
        tracked, true = (
            head_pose_to_matrix(torch.from_numpy(x).double()) for x in (self.head_pose, self.true_head_pose)
        )
        left, _, right = torch.linalg.svd((tracked.transpose(1, 2) @ true).mean(0))
        return (left @ right).numpy()

    def true_displacements(self, targets: dict[str, np.ndarray]) -> np.ndarray:
        """(N, 68, 3) movement of the landmarks by the true actions, mesh units."""
        directions = np.stack([targets[f"act/{name}"] for name in self.action_names])
        return np.tensordot(self.actions, directions, axes=1)

    def fit_expression(self, directions: np.ndarray, displacements: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ridge regression of true displacements on the reader's expression values, held to given directions.

        Args:
            directions: (52, 68, 3) of the mesh.
            displacements: (N, 68, 3), from `true_displacements`.

        Returns:
            directions (52, 68, 3), and the displacement (68, 3) at expression values of zero.
        """
        count = len(displacements)
        values, moved = self.expression.astype(float), displacements.reshape(count, -1)
        values[:, NEUTRAL] = 0.0  # says nothing, and must move nothing
        prior = directions.reshape(len(directions), -1)
        centred = values - values.mean(0)
        held = np.diag([RIDGE_HELD if name.startswith(HELD) else RIDGE for name in EXPRESSION_NAMES])
        surplus = moved - moved.mean(0) - centred @ prior
        fitted = prior + np.linalg.solve(centred.T @ centred + held, centred.T @ surplus)
        rest = moved.mean(0) - values.mean(0) @ fitted
        return fitted.reshape(directions.shape), rest.reshape(directions.shape[1:])

    def fit_offset(self, model: OpenFaceModel, true_points: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, Tensor]:
        """Where the reader sees the landmarks, in the head frame, relative to the model's points.

        Args:
            model: any model; only its pose fit is used.
            true_points: (N, 68, 3) in the model's unit and frame, before rotation.
            turn: from `resting_turn`.

        Returns:
            offset (68, 3), and what it leaves (N, 68, 2), px.
        """
        points = torch.from_numpy(true_points).float()
        true_pose = head_pose_to_matrix(torch.from_numpy(self.true_head_pose).double()) @ torch.from_numpy(turn).T
        pose = model.place_points(points, torch.from_numpy(self.true_landmarks), true_pose.float(), self.size)
        scale = pose.camera[:, None, :1]
        seen, true = (unproject(torch.from_numpy(x), self.size) for x in (self.landmarks, self.true_landmarks))
        shift = ((seen - true) / scale).double()
        view = axis_angle_to_matrix(pose.rotation)[:, :2].double()
        normal = torch.einsum("bij,bik->jk", view, view) + OFFSET_RIDGE * torch.eye(3)
        offset = torch.linalg.solve(normal, torch.einsum("bij,bni->jn", view, shift)).T
        left = (shift - torch.einsum("bij,nj->bni", view, offset)) * scale * self.size / 2
        return offset.numpy(), left
