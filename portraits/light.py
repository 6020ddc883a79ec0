"""Light on surfaces: spherical-harmonic ambience, wrapped lamps, highlights, a rim."""

from dataclasses import dataclass

import numpy as np

from .geometry import spherical_harmonics, unit
from .scene import Scene

# Weight of harmonic orders 0, 1, 2 of a lamp: a soft box rather than a point.
SOFT_LAMP = np.array([1, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.4, 0.4], np.float32)


@dataclass
class Surface:
    """Visible fragments: M rows. Directions are of the world; colours linear."""

    albedo: np.ndarray  # (M,3)
    normal: np.ndarray  # (M,3)
    view: np.ndarray  # (M,3) toward the camera
    transfer: np.ndarray  # (M,9) light transfer in the head's frame
    openness: np.ndarray  # (M,)
    specular: np.ndarray  # (M,)
    gloss: np.ndarray  # (M,) exponent


class Lighting:
    """The scene's light as seen from one head rotation (3,3)."""

    def __init__(self, scene: Scene, rotation: np.ndarray) -> None:
        self.scene = scene
        coefficients = np.zeros((9, 3), np.float32)
        coefficients[0] = scene.ambient / 0.2821 / np.pi * 0.9 * scene.tint
        for lamp in [*scene.lamps, scene.sky]:
            soft = spherical_harmonics(rotation.T @ lamp.direction) * SOFT_LAMP
            coefficients += (0.75 * lamp.strength * soft[:, None] * lamp.colour * scene.tint).astype(np.float32)
        self.coefficients = coefficients

    def shade(self, surface: Surface) -> np.ndarray:
        """Linear radiance (M,3)."""
        scene = self.scene
        received = np.maximum(surface.transfer @ self.coefficients, np.float32(0.01 * scene.ambient))
        shine = np.zeros_like(surface.albedo)
        has_shine = bool(surface.specular.any())
        shadow = surface.openness * np.sqrt(surface.openness)
        for lamp in scene.lamps:
            facing = surface.normal @ lamp.direction
            wrapped = np.maximum((facing + 0.12) / 1.12, 0) * shadow * np.float32(0.55 * lamp.strength)
            received += wrapped[:, None] * (lamp.colour * scene.tint)
            if has_shine:
                half = unit(surface.view + lamp.direction)
                lobe = np.maximum(np.einsum("ij,ij->i", surface.normal, half), 0) ** surface.gloss
                strength = np.float32(0.35 * lamp.strength) * surface.specular * lobe * (facing > 0) * surface.openness
                shine += strength[:, None] * lamp.colour
        rim = (1 - np.clip(np.einsum("ij,ij->i", surface.normal, surface.view), 0, 1)) ** 4
        rim = np.float32(0.06 * scene.ambient) * rim * np.minimum(surface.specular, 0.5)
        return surface.albedo * received * np.float32(0.62) + shine + rim[:, None]
