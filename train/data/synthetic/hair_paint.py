"""Hair as translucent fragments over the canvas: strands, soft edges, an anisotropic highlight (Kajiya and Kay 1989)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .geometry import DIFFUSE_LOBE, lerp, smoothstep, spherical_harmonics, unit, vertex_normals
from .hair import HairMesh
from .light import Surface
from .looks import HairLook, Identity
from .rasteriser import interpolate, noise, rasterise

if TYPE_CHECKING:
    from .render import Canvas, View


def strands(look: HairLook, place: np.ndarray, seed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coarse and fine strand noise (M,), both in [-1,1], that runs down from the parting."""
    parted = place[:, 0] - look.parting * np.maximum(place[:, 1] - 7.3, 0)
    azimuth = np.arctan2(parted, place[:, 2] - 0.35)
    curl = 8.0 if look.curly else 1.0

    def lock(around: float, down: float) -> np.ndarray:
        return noise(np.stack([around * np.cos(azimuth), down * curl * place[:, 1], around * np.sin(azimuth)], 1) + seed)

    return lock(20, 1.2), lock(60, 2.5)


def coverage(look: HairLook, inside: np.ndarray, coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Opacity (M,) that grows inward from the hairline, frayed by the strands."""
    if look.style == "buzz":
        return 0.75 * smoothstep(-0.04, 0.10, inside + 0.03 * fine)
    fray = 1.3 if look.style in ("fringe", "bob") else 1.0
    return smoothstep(-0.03, 0.09, inside + fray * (0.055 * fine + 0.035 * coarse))


def cover_with_hair(canvas: Canvas, view: View, hair: HairMesh, identity: Identity) -> None:
    """Blend the hair where it lies before what is on the canvas."""
    look, seed = identity.hair, identity.skin.seed
    world = view.posed.skin(hair.vertices, hair.skinning).astype(np.float32)
    screen = view.camera.screen(world, canvas.size)
    pixel, triangle, bary = rasterise(screen, hair.faces, canvas.size, np.ones(len(hair.faces), bool))
    attributes = [world, vertex_normals(world, hair.faces), hair.canonical, hair.inside[:, None]]
    values = interpolate(np.concatenate(attributes, 1), hair.faces, triangle, bary)
    depth = view.camera.position[2] - values[:, 2]
    seen = np.flatnonzero((depth < canvas.depth[pixel] + 0.004) & (values[:, 9] > -0.16))
    if not len(seen):
        return
    pixel, values = pixel[seen], values[seen]
    coarse, fine = strands(look, values[:, 6:9], seed)
    cover = coverage(look, values[:, 9], coarse, fine)
    shaded = np.flatnonzero(cover > 0.003)
    pixel, values, coarse, fine, cover = pixel[shaded], values[shaded], coarse[shaded], fine[shaded], cover[shaded]
    colour = _shade(view, look, values, seed, coarse, fine)
    canvas.colour[pixel] = lerp(canvas.colour[pixel], colour, cover[:, None])
    canvas.label[pixel[cover > 0.5]] = 1


def _shade(view: View, look: HairLook, values, seed: np.ndarray, coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    place, inside, count = values[:, 6:9], values[:, 9], len(values)
    rotation = view.posed.rotation
    toward = unit(view.camera.position - values[:, :3])
    normal = unit(values[:, 3:6])
    normal[np.einsum("ij,ij->i", normal, toward) < 0] *= -1
    contrast = 1 + look.strand * (0.7 * coarse + 0.8 * fine) + 0.15 * noise(place * 9 + seed)
    albedo = look.colour * np.maximum(contrast, 0.15)[:, None]
    roots = 0.65 + 0.35 * smoothstep(0.0, 0.25, inside)
    transfer = spherical_harmonics(normal @ rotation) * DIFFUSE_LOBE
    bent = normal + 0.15 * fine[:, None]
    surface = Surface(albedo, bent, toward, transfer, roots, np.zeros(count, np.float32), np.ones(count, np.float32))
    colour = view.lighting.shade(surface)
    down = rotation[:, 1]
    tangent = unit(down - normal * (normal @ down)[:, None])
    sheen = look.colour * 0.7 + 0.06
    for lamp in view.lighting.scene.lamps:
        half = unit(toward + lamp.direction)
        along = np.einsum("ij,ij->i", tangent, half) + 0.12 * coarse
        lobe = np.maximum(1 - along**2, 0) ** 40 * np.clip(0.5 + 0.5 * fine, 0, 1) * (normal @ lamp.direction > -0.1)
        colour = colour + (np.float32(0.22 * lamp.strength) * lobe)[:, None] * sheen * lamp.colour
    return colour * roots[:, None]
