"""The shirt: a layer over the body's helper mesh, cut off at the neckline."""

from __future__ import annotations

import numpy as np

from .canvas import PERSON_LABEL, Canvas, View
from .geometry import DIFFUSE_LOBE, lerp, smoothstep, spherical_harmonics, unit, vertex_normals
from .head import Head
from .light import Surface
from .looks import ClothLook, Identity
from .rasteriser import interpolate, noise, rasterise


def neckline_height(look: ClothLook, position: np.ndarray) -> np.ndarray:
    """Height (M,) above which there is no cloth."""
    side, front = np.abs(position[:, 0]), smoothstep(-0.1, 0.5, position[:, 2])
    if look.neckline == 1:
        return look.neck_height - 0.9 * np.maximum(0.5 - side, 0) * front
    if look.neckline == 2:
        return look.neck_height - 0.4 * front * np.maximum(1 - (side / 0.9) ** 2, 0)
    return np.full(len(position), look.neck_height, np.float32)


def pattern(look: ClothLook, position: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """Share (M,) of the second colour."""
    if look.pattern == 1:
        return smoothstep(0, 0.4, np.sin(position[:, 1] * 40))
    if look.pattern == 2:
        rows, columns = (smoothstep(0.3, 0.7, np.sin(position[:, axis] * 25)) for axis in (1, 0))
        return np.maximum(rows, columns)
    if look.pattern == 3:
        return smoothstep(0.1, 0.2, noise(position * 6 + seed))
    return np.zeros(len(position), np.float32)


def cover_with_cloth(canvas: Canvas, view: View, head: Head, identity: Identity) -> None:
    """Draw the shirt where it lies before what is on the canvas."""
    look, seed, posed = identity.cloth, identity.skin.seed, view.posed
    screen = view.camera.screen(posed.vertices, canvas.size)
    faces = head.cloth_faces
    pixel, triangle, bary = rasterise(screen, faces, canvas.size, np.zeros(len(faces), bool))
    normals = vertex_normals(posed.vertices, faces)
    values = interpolate(np.concatenate([posed.vertices, normals, head.template], 1), faces, triangle, bary)
    depth = view.camera.position[2] - values[:, 2]
    line = neckline_height(look, values[:, 6:9])
    # Keep the band near and below the neckline that is not behind the head.
    seen = np.flatnonzero((values[:, 7] < line + 0.03) & (depth < canvas.depth[pixel] + 0.012))
    if not len(seen):
        return
    pixel, values, depth, line = pixel[seen], values[seen], depth[seen], line[seen]
    position = values[:, 6:9]
    cover = smoothstep(0.012, -0.012, position[:, 1] - line - 0.008 * noise(position * 6))
    colour = _shade(view, identity, values, line, seed)
    canvas.colour[pixel] = lerp(canvas.colour[pixel], colour, cover[:, None])
    solid = cover > 0.5
    canvas.depth[pixel[solid]] = depth[solid]
    canvas.label[pixel[solid]] = PERSON_LABEL


def _shade(view: View, identity: Identity, values: np.ndarray, line: np.ndarray, seed: np.ndarray) -> np.ndarray:
    look, position = identity.cloth, values[:, 6:9]
    stretch = np.array([5, 2, 5], np.float32), np.float32(4), np.array([6, 2, 6], np.float32)
    folds = np.stack([noise(position * scale + seed) for scale in stretch], 1)
    normal = unit(values[:, 3:6] + 0.25 * folds)
    hem = np.exp(-(((position[:, 1] - line + 0.05) / 0.012) ** 2))
    albedo = lerp(look.colour, look.second, pattern(look, position, seed)[:, None])
    albedo = albedo * (1 + 0.1 * noise(position * 50) - 0.3 * hem)[:, None]
    openness = 0.55 + 0.45 * smoothstep(6.1, 5.4, position[:, 1])
    transfer = spherical_harmonics(normal @ view.posed.rotation) * DIFFUSE_LOBE * openness[:, None]
    count = len(position)
    surface = Surface(
        albedo, normal, unit(view.camera.position - values[:, :3]), transfer, openness,
        np.zeros(count, np.float32), np.ones(count, np.float32),
    )  # fmt: skip
    return view.lighting.shade(surface)
