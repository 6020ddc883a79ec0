"""How much light of each direction reaches each vertex of the neutral head: soft self-shadow computed once.

`python -m portraits.light_transfer` rewrites assets/light_transfer.safetensors.gz (order-2 harmonics).
"""

import gzip
import math

import numpy as np
from safetensors.numpy import save

from .geometry import spherical_harmonics, unit, vertex_normals
from .head import ASSETS, Head
from .rasteriser import interpolate, rasterise

DIRECTIONS, SIZE, HALF_WIDTH, BIAS = 160, 320, 2.9, 0.045
CENTRE = np.array([0, 6.9, 0.4], np.float32)


def sphere_directions(count: int) -> np.ndarray:
    """Directions (count,3) of a Fibonacci sphere."""
    i = np.arange(count) + 0.5
    polar, azimuth = np.arccos(1 - 2 * i / count), np.pi * (1 + 5**0.5) * i
    x, y = np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar)
    return np.stack([x, y, np.cos(polar)], 1).astype(np.float32)


def visibility(vertices: np.ndarray, faces: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Share in [0,1] of four depth-map taps at which each vertex sees the direction."""
    up = np.array([0, 1, 0] if abs(direction[1]) < 0.9 else [1, 0, 0], np.float32)
    x = unit(np.cross(up, direction))
    turned = (vertices - CENTRE) @ np.stack([x, np.cross(direction, x), direction]).T
    half = SIZE / 2
    column, row = half + turned[:, 0] / HALF_WIDTH * half, half - turned[:, 1] / HALF_WIDTH * half
    screen = np.stack([column, row, 20 - turned[:, 2]], 1).astype(np.float32)
    pixel, triangle, bary = rasterise(screen, faces, SIZE, np.ones(len(faces), bool))
    depth = np.full(SIZE * SIZE, 99, np.float32)
    depth[pixel] = interpolate(screen[:, 2:], faces, triangle, bary)[:, 0]
    depth = depth.reshape(SIZE, SIZE)
    column, row = np.floor(screen[:, 0] - 0.5).astype(int), np.floor(screen[:, 1] - 0.5).astype(int)
    seen = np.zeros(len(vertices), np.float32)
    for dx, dy in ((0, 0), (0, 1), (1, 0), (1, 1)):
        blocker = depth[np.clip(row + dy, 0, SIZE - 1), np.clip(column + dx, 0, SIZE - 1)]
        seen += 0.25 * (screen[:, 2] <= blocker + BIAS)
    return seen


def light_transfer(head: Head) -> dict[str, np.ndarray]:
    """`transfer` (N,9) cosine-weighted visibility in spherical harmonics, `openness` (N,) in [0,1]; float16."""
    vertices = head.template
    normals = vertex_normals(vertices, np.concatenate([head.faces, head.cloth_faces]))
    transfer = np.zeros((len(vertices), 9), np.float32)
    open_light, all_light = np.zeros(len(vertices)), np.zeros(len(vertices))
    for direction in sphere_directions(DIRECTIONS):
        cosine = np.maximum(normals @ direction, 0)
        seen = visibility(vertices, head.faces, direction) * cosine
        transfer += seen[:, None] * spherical_harmonics(direction) * (4 * math.pi / DIRECTIONS)
        open_light += seen
        all_light += cosine
    openness = open_light / np.maximum(all_light, 1e-6)
    return {"transfer": transfer.astype(np.float16), "openness": openness.astype(np.float16)}


if __name__ == "__main__":
    arrays = light_transfer(Head())
    (ASSETS / "light_transfer.safetensors.gz").write_bytes(gzip.compress(save(arrays), 9, mtime=0))
