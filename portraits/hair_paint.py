"""Hair as translucent fragments over the canvas: strands, soft edges, anisotropic highlight (Kajiya and Kay 1989)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import PERSON_LABEL, Canvas, View
from .geometry import DIFFUSE_LOBE, lerp, smoothstep, spherical_harmonics, unit, vertex_normals
from .hair import HairMesh
from .light import Surface
from .looks import HairLook, Identity
from .rasteriser import interpolate, noise, rasterise

DENSE = 0.12  # distance inside the hairline from which hair is opaque


def strands(look: HairLook, position: np.ndarray, seed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coarse and fine strand noise (M,), both in [-1,1], that runs down from the parting."""
    parted = position[:, 0] - look.parting * np.maximum(position[:, 1] - 7.3, 0)
    azimuth = np.arctan2(parted, position[:, 2] - 0.35)
    curl = 8.0 if look.curly else 1.0

    def lock(around: float, down: float) -> np.ndarray:
        height = down * curl * position[:, 1]
        return noise(np.stack([around * np.cos(azimuth), height, around * np.sin(azimuth)], 1) + seed)

    return lock(20, 1.2), lock(60, 2.5)


def coverage(look: HairLook, inside: np.ndarray, coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Opacity (M,) that grows inward from the hairline, frayed by the strands."""
    if look.style == "buzz":
        return 0.75 * smoothstep(-0.04, 0.10, inside + 0.03 * fine)
    if look.style in ("fringe", "bob"):
        return smoothstep(-0.03, 0.08, inside + 0.07 * fine + 0.045 * coarse)
    # Combed back: single hairs leave the skin, so the line is a wide haze rather than a saw.
    return smoothstep(-0.07, 0.17, inside + 0.035 * fine + 0.03 * coarse)


@dataclass(frozen=True)
class Layer:
    """Visible hair fragments: pixel (M,), interpolated values (M,10), strand noises (M,) and opacity (M,)."""

    pixel: np.ndarray
    values: np.ndarray
    coarse: np.ndarray
    fine: np.ndarray
    cover: np.ndarray

    def rows(self, chosen: np.ndarray) -> Layer:
        """The fragments `chosen`, an index or a mask."""
        return Layer(*(getattr(self, name)[chosen] for name in ("pixel", "values", "coarse", "fine", "cover")))


def _layer(canvas: Canvas, view: View, identity: Identity, attributes: np.ndarray, faces: np.ndarray) -> Layer:
    screen = view.camera.screen(attributes[:, :3], canvas.size)
    pixel, triangle, bary = rasterise(screen, faces, canvas.size, np.ones(len(faces), bool))
    values = interpolate(attributes, faces, triangle, bary)
    depth = view.camera.position[2] - values[:, 2]
    seen = np.flatnonzero((depth < canvas.depth[pixel] + 0.004) & (values[:, 9] > -0.16))
    pixel, values = pixel[seen], values[seen]
    coarse, fine = strands(identity.hair, values[:, 6:9], identity.skin.seed)
    layer = Layer(pixel, values, coarse, fine, coverage(identity.hair, values[:, 9], coarse, fine))
    return layer.rows(layer.cover > 0.003)


def cover_with_hair(canvas: Canvas, view: View, hair: HairMesh, identity: Identity) -> None:
    """Blend the hair where it lies before what is on the canvas: first the dense part, then all with its thin edges."""
    world = view.posed.skin(hair.vertices, hair.skinning).astype(np.float32)
    attributes = np.concatenate([world, vertex_normals(world, hair.faces), hair.canonical, hair.inside[:, None]], 1)
    front = _layer(canvas, view, identity, attributes, hair.faces)
    # Without the dense part alone, thin hair in front would hide dense hair behind and show the background: slits.
    thin = np.ones(len(canvas.depth), bool)
    thin[front.pixel[front.cover > 0.98]] = False
    layers = [front]
    if identity.hair.style != "buzz":  # cropped hair lies on the skin and is translucent everywhere
        dense_faces = hair.faces[(hair.inside[hair.faces] > DENSE).all(1)]
        dense = _layer(canvas, view, identity, attributes, dense_faces)
        layers.insert(0, dense.rows(thin[dense.pixel]))
    for layer in layers:
        if len(layer.pixel):
            colour = _shade(view, identity.hair, layer, identity.skin.seed)
            canvas.colour[layer.pixel] = lerp(canvas.colour[layer.pixel], colour, layer.cover[:, None])
            canvas.label[layer.pixel[layer.cover > 0.5]] = PERSON_LABEL


def _shade(view: View, look: HairLook, layer: Layer, seed: np.ndarray) -> np.ndarray:
    values, coarse, fine = layer.values, layer.coarse, layer.fine
    position, inside, count = values[:, 6:9], values[:, 9], len(values)
    rotation = view.posed.rotation
    toward = unit(view.camera.position - values[:, :3])
    normal = unit(values[:, 3:6])
    normal[np.einsum("ij,ij->i", normal, toward) < 0] *= -1
    contrast = 1 + look.strand * (0.7 * coarse + 0.8 * fine) + 0.15 * noise(position * 9 + seed)
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
