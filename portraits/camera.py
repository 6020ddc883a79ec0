"""Perspective camera with the FFHQ framing without removal of roll.

The eyes' midpoint falls near (0.500, 0.473) of the frame.
"""

from dataclasses import dataclass

import numpy as np

from .head import PosedHead


@dataclass(frozen=True)
class Jitter:
    """Displacement of the frame: shift (x right, y down) and log scale, as shares of its side."""

    x: float = 0.0
    y: float = 0.0
    log_scale: float = 0.0


class Camera:
    """Looks along -z at the eyes' midpoint from `distance` decimetres; the square frame follows the face.

    Framing rule: Karras et al. 2019 (FFHQ), half side = max(2.0 eye-to-eye, 1.8 eye-to-mouth) taken without the tilt.
    """

    def __init__(self, posed: PosedHead, distance: float, jitter: Jitter) -> None:
        self.target, self.distance = posed.midpoint, float(distance)
        self.position = (self.target + np.array([0, 0, distance], np.float32)).astype(np.float32)
        plane = self._project(posed.landmarks)[:, :2]
        right, left = plane[36:42].mean(0), plane[42:48].mean(0)
        middle, eye_to_eye = (left + right) / 2, left - right
        eye_to_mouth = (plane[48] + plane[54]) / 2 - middle
        across = eye_to_eye - np.array([-eye_to_mouth[1], eye_to_mouth[0]])
        across /= np.linalg.norm(across)
        half = max(np.linalg.norm(eye_to_eye) * 2.0, np.linalg.norm(eye_to_mouth) * 1.8) * float(np.linalg.norm(across))
        self.half = float(half * np.exp(jitter.log_scale))
        self.centre = middle + 0.1 * eye_to_mouth + 2 * self.half * np.array([jitter.x, jitter.y], np.float32)

    def _project(self, points: np.ndarray) -> np.ndarray:
        offset = points - self.target
        depth = self.distance - offset[:, 2]
        scale = self.distance / depth
        return np.stack([offset[:, 0] * scale, -offset[:, 1] * scale, depth], 1)

    def screen(self, points: np.ndarray, size: int) -> np.ndarray:
        """World points (N,3) -> (N,3) float32: raster x, y (pixel k spans [k, k+1)) and depth."""
        projected = self._project(points)
        projected[:, :2] = ((projected[:, :2] - self.centre) / self.half * 0.5 + 0.5) * size
        return projected.astype(np.float32)

    def pixels(self, points: np.ndarray, size: int) -> np.ndarray:
        """World points (N,3) -> (N,2) float32 pixels in the house convention: integer k is the centre of pixel k."""
        return self.screen(points, size)[:, :2] - 0.5
