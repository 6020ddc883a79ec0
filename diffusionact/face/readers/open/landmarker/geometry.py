"""Head transform from mesh points: MediaPipe's fit of its canonical face under an assumed perspective camera.

The camera sits at the origin, looks along -z, x right, y up; lengths are centimetres of the canonical face.
"""

from __future__ import annotations

import math

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from .graph import DATA_FOLDER

VERTICAL_VIEW_RAD = math.radians(63.0)
NEAR = 1.0


def weighted_similarity(source: Tensor, target: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Similarity that carries weighted source points onto target points with the least squared error.

    Source: orthogonal Procrustes analysis; the scale is that of MediaPipe's solver, <R s, t> / <s, s>.

    Args:
        source: (P, 3).
        target: (B, P, 3).
        weights: (P,), positive.

    Returns:
        Rotation (B, 3, 3), scale (B,), translation (B, 3): target = scale * rotation @ source + translation.
    """
    share = (weights / weights.sum())[:, None]
    source_mean, target_mean = (share * source).sum(0), (share * target).sum(1)
    centred = source - source_mean
    covariance = (share * (target - target_mean[:, None])).transpose(1, 2) @ centred
    left, _, right = torch.linalg.svd(covariance)
    handedness = torch.det(left @ right).sign()
    flip = torch.stack([torch.ones_like(handedness), torch.ones_like(handedness), handedness], dim=-1)
    rotation = (left * flip[:, None]) @ right
    scale = (rotation * covariance).sum((1, 2)) / (share * centred.square()).sum()
    translation = target_mean - scale[:, None] * (rotation @ source_mean)
    return rotation, scale, translation


class HeadGeometry(nn.Module):
    """Fits the canonical face to mesh points."""

    def __init__(self):
        super().__init__()
        data = load_file(DATA_FOLDER / "face_geometry.safetensors")
        indices = data["basis_indices"].long()
        self.register_buffer("indices", indices, persistent=False)
        self.register_buffer("canonical", data["vertices"][indices], persistent=False)
        self.register_buffer("weights", data["basis_weights"], persistent=False)

    def forward(self, points: Tensor, height: int, width: int) -> Tensor:
        """Head transforms.

        The screen lies on the near plane. Its depth unit is unknown, so the scale is estimated twice: first as if the
        projection were orthographic, then with the points moved to the depth which that scale implies.

        Args:
            points: (B, 478, 3) px of an image of `height` by `width`, depth in the same unit, smaller is nearer.

        Returns:
            (B, 4, 4) canonical face -> camera; the upper left block is scale (near 1) times rotation.
        """
        unit = 2 * NEAR * math.tan(VERTICAL_VIEW_RAD / 2) / height
        x, y, z = points[:, : self.indices.max() + 1].unbind(-1)
        screen = torch.stack([(x - width / 2) * unit, (height / 2 - y) * unit, z * unit], dim=-1)
        # MediaPipe takes the mean depth over its 468 vertices, without the irises.
        mean_depth = points[:, :468, 2].mean(1) * unit
        screen = screen[:, self.indices]
        first_scale = weighted_similarity(self.canonical, screen * screen.new_tensor([1, 1, -1]), self.weights)[1]
        second_scale = self._fit(self._unproject(screen, mean_depth, first_scale))[1]
        rotation, scale, translation = self._fit(self._unproject(screen, mean_depth, first_scale * second_scale))
        transform = torch.eye(4, device=points.device, dtype=points.dtype).repeat(len(points), 1, 1)
        transform[:, :3, :3] = rotation * scale[:, None, None]
        transform[:, :3, 3] = translation
        return transform

    def apparent_rotation(self, points: Tensor) -> Tensor:
        """Rotation of the head as it appears, whatever the position of the face in the image.

        This is the weak-perspective fit. The perspective one assumes an angle of view and an uncropped image; with it
        a head that only moves sideways appears to turn.

        Args:
            points: (B, 478, 3) as for `forward`.

        Returns:
            (B, 3, 3), x right, y up, z towards the camera.
        """
        return self._fit(self._upright(points)[:, self.indices])[0]

    def in_head(self, points: Tensor) -> Tensor:
        """Mesh points in the head's own frame, by the same fit.

        Args:
            points: (B, 478, 3) as for `forward`.

        Returns:
            (B, 478, 3) cm of the canonical face.
        """
        upright = self._upright(points)
        rotation, scale, translation = self._fit(upright[:, self.indices])
        return (upright - translation[:, None]) @ rotation / scale[:, None, None]

    @staticmethod
    def _upright(points: Tensor) -> Tensor:
        """Points of an image (B, 478, 3) with y up and z towards the camera."""
        return points * points.new_tensor([1, -1, -1])

    def _fit(self, metric: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return weighted_similarity(self.canonical, metric, self.weights)

    @staticmethod
    def _unproject(screen: Tensor, mean_depth: Tensor, scale: Tensor) -> Tensor:
        """Screen points (B, P, 3), z away from the camera -> camera points (B, P, 3), z towards the camera."""
        depth = (screen[..., 2] - mean_depth[:, None] + NEAR) / scale[:, None]
        xy = screen[..., :2] * depth[..., None] / NEAR
        return torch.cat([xy, -depth[..., None]], dim=-1)
