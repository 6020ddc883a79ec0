"""Paint of eyeballs, teeth and tongue."""

import numpy as np

from .geometry import DIFFUSE_LOBE, lerp, smoothstep, spherical_harmonics
from .head import Eyeball
from .light import Surface
from .looks import EyeLook, MouthLook
from .rasteriser import noise

SCLERA = np.array([0.80, 0.755, 0.72], np.float32)
# What deep in the mouth is left of a tooth's colour.
DEEP = np.array([0.25, 0.16, 0.14], np.float32)


def paint_eye(
    surface: Surface, rows: np.ndarray, eye: Eyeball, rotation: np.ndarray, look: EyeLook, seed: np.ndarray
) -> None:
    """Iris, pupil, sclera and the lid's shadow on the fragments `rows` of one eyeball."""
    normal = surface.normal[rows]
    angle = np.arccos(np.clip(normal @ eye.axis, -1, 1))
    local = normal @ eye.rotation
    around = np.arctan2(local[:, 1], local[:, 0])
    fibres = noise(np.stack([9 * np.cos(around), 9 * np.sin(around), 8 * angle], 1) + seed)
    radial = lerp(1.5, 0.6, smoothstep(look.pupil, look.iris, angle))
    iris = look.iris_colour * ((1 + 0.5 * fibres) * radial)[:, None]
    sclera = SCLERA * (1 - 0.12 * smoothstep(0.5, 1.3, angle))[:, None]
    albedo = lerp(iris, sclera, smoothstep(look.iris - 0.03, look.iris + 0.04, angle)[:, None])
    albedo = albedo * (1 - 0.5 * np.exp(-(((angle - look.iris) / 0.05) ** 2)))[:, None]
    albedo = lerp(np.float32(0.008), albedo, smoothstep(look.pupil - 0.04, look.pupil + 0.03, angle)[:, None])
    in_head = normal @ rotation
    surface.albedo[rows] = albedo * (1 - 0.5 * smoothstep(0.08, 0.55, in_head[:, 1]))[:, None]
    surface.specular[rows] = np.where(angle < 0.6, 2.1, 0.5)
    surface.gloss[rows] = 260
    surface.openness[rows] = 0.75
    surface.transfer[rows] = spherical_harmonics(in_head) * DIFFUSE_LOBE * np.float32(0.85)


def paint_teeth(
    surface: Surface, rows: np.ndarray, position: np.ndarray, upper: np.ndarray, rotation: np.ndarray, look: MouthLook
) -> None:
    """Teeth with gaps, slight differences and gums; they darken and redden toward the throat."""
    azimuth = np.arctan2(position[:, 0], position[:, 2] - 1.02) * look.teeth_per_radian * np.where(upper, 1, 1.35)
    tooth = np.floor(azimuth)
    gap = np.exp(-(((np.abs(azimuth - tooth - 0.5) - 0.5) / 0.06) ** 2))
    shade = 0.95 + 0.07 * look.unevenness * np.sin(tooth * 12.9898 + upper)
    # Template heights: the upper teeth's necks lie above 6.72, the lower ones' below 6.50.
    gum = np.where(upper, smoothstep(6.715, 6.745, position[:, 1]), smoothstep(6.50, 6.47, position[:, 1]))
    tooth_colour = look.tooth_colour * (shade * (1 - 0.4 * min(1, look.unevenness) * gap))[:, None]
    albedo = lerp(tooth_colour, look.gum_colour, 0.85 * gum[:, None])
    front = smoothstep(1.05, 1.5, position[:, 2]) * smoothstep(0.38, 0.16, np.abs(position[:, 0]))
    surface.albedo[rows] = albedo * lerp(DEEP, np.float32(0.95), front[:, None])
    surface.specular[rows] = 0.5 * front
    surface.gloss[rows] = 60
    surface.openness[rows] = 0.1 + 0.5 * front
    surface.transfer[rows] = 0
    surface.transfer[rows, 0] = look.depth_light + (1.5 - look.depth_light) * front
    surface.normal[rows] = lerp(surface.normal[rows], rotation[:, 2], np.float32(0.3))


def paint_tongue(surface: Surface, rows: np.ndarray, position: np.ndarray, look: MouthLook) -> None:
    """A moist tongue with a furrow, lit at its tip."""
    front = smoothstep(0.8, 1.38, position[:, 2])
    furrow = 1 - 0.25 * np.exp(-((position[:, 0] / 0.03) ** 2))
    rough = 1 + 0.15 * noise(position * 60)
    surface.albedo[rows] = look.tongue_colour * (furrow * rough)[:, None]
    surface.openness[rows] = 0.1 + 0.35 * front
    surface.specular[rows] = 0.5 * front
    surface.gloss[rows] = 40
    surface.transfer[rows] = 0
    surface.transfer[rows, 0] = look.depth_light + (1.0 - look.depth_light) * front
