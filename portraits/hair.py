"""Hair of one identity: a shell grown over the scalp, a hanging curtain for long cuts, a bun."""

import math
from dataclasses import dataclass

import numpy as np

from .geometry import grid_faces, lerp, smoothstep, vertex_normals
from .head import Head
from .looks import HairLook
from .rasteriser import noise

CURTAIN_ROWS, CURTAIN_COLUMNS, CURTAIN_TOP = 22, 56, 7.95
# Azimuth from the front (degrees) at which the hairline's heights are given.
HAIRLINE_DEG = np.array([0.0, 22, 38, 55, 68, 78, 90, 105, 125, 180])


@dataclass(frozen=True)
class HairMesh:
    """Hair in the rest pose; `canonical` is the position on the template, `inside` the distance inside the hairline."""

    vertices: np.ndarray  # (N,3)
    skinning: np.ndarray  # (N,5)
    faces: np.ndarray  # (T,3)
    canonical: np.ndarray  # (N,3)
    inside: np.ndarray  # (N,)


def hairline_distance(head: Head, look: HairLook) -> np.ndarray:
    """Height (N,) of each vertex above the hairline, decimetres; negative on face, neck and ears."""
    points = head.template
    azimuth = np.degrees(np.abs(np.arctan2(points[:, 0], points[:, 2] - 0.35)))
    fringe = look.style == "fringe"
    if fringe:
        front = [look.front, look.front - 0.01, look.front - 0.02, look.front - 0.06, 7.48, 7.35]
    else:  # temples recede, then the line runs down to the sideburn in front of the ear
        front = [look.front, look.front + 0.01, look.front - 0.03, look.front - 0.16, 7.6, 7.36]
    heights = [*front, 7.2, 7.0, 6.72, 6.6]
    line = np.interp(azimuth, HAIRLINE_DEG, heights)
    return ((points[:, 1] - line) * (1 - head.ear) - 0.5 * head.ear).astype(np.float32)


def _shell(head: Head, shape: np.ndarray, look: HairLook, seed: np.ndarray, inside: np.ndarray) -> HairMesh:
    points = head.template
    depth = look.thickness * lerp(look.side, 1.0, smoothstep(7.35, 8.1, points[:, 1]))
    depth = depth * smoothstep(-0.02, 0.45, inside)
    bumps = noise(points * 5 + seed) * (0.5 if look.curly else 0.25)
    if look.curly:
        bumps = bumps + 0.3 * noise(points * 14 + seed)
    normals = vertex_normals(shape[: head.mesh_size], head.faces[head.part == 0])
    grown = shape[: head.mesh_size] + normals * (depth * (1 + bumps) + 0.012)[:, None]
    faces = head.scalp[(inside[head.scalp] > -0.16).any(1)]
    used, compact = np.unique(faces, return_inverse=True)
    faces = compact.reshape(-1, 3).astype(np.int32)
    return HairMesh(grown[used].astype(np.float32), head.skinning[used], faces, points[used], inside[used])


def _curtain(head: Head, shape: np.ndarray, look: HairLook) -> HairMesh:
    height = np.linspace(CURTAIN_TOP, look.bottom, CURTAIN_ROWS)[:, None]
    edge = look.curtain_angle + 0.05 * np.sin(height * 5.1 + look.parting * 20)
    azimuth = edge + (2 * math.pi - 2 * edge) * np.linspace(0, 1, CURTAIN_COLUMNS)[None]
    fall = np.clip((7.75 - height) / 2, 0, 1)
    wave = look.wave * np.sin(height * look.wave_frequency + np.sin(azimuth * 3) * 2)
    narrowing = 1 - 0.16 * np.maximum(height - 7.35, 0) ** 2
    bulge_ears = 0.05 * np.exp(-(((height - 7.0) / 0.3) ** 2))
    radius_x = (0.775 + 0.8 * look.thickness) * narrowing + look.flare * fall + wave + bulge_ears
    radius_z = (1.0 + 0.7 * look.thickness) * narrowing - 0.16 * fall + wave
    x, z = radius_x * np.sin(azimuth), radius_z * np.cos(azimuth)
    # The front edges fall close to the jaw instead of standing off like a hood.
    front = smoothstep(0.35, 1.0, np.cos(azimuth) + 0.6) * smoothstep(0.1, 0.5, fall)
    x = x * (1 - 0.12 * front)
    canonical = np.stack([x, height + 0 * x, 0.4 + np.where(z > 0, 0.9 * z, z)], -1).reshape(-1, 3).astype(np.float32)
    vertices = canonical + _follow_scalp(head, shape, canonical)
    vertices[:, 1] = np.maximum(vertices[:, 1], 4.4)
    # The front edge is cut by geometry: a translucent one would show the background through the hair behind it.
    inside = ((height - look.bottom) * 0.5 - 0.05 + 0 * azimuth).reshape(-1)
    skinning = np.zeros((len(vertices), 5), np.float32)
    skinning[:, 4] = smoothstep(5.2, 6.6, vertices[:, 1])
    skinning[:, 0] = 1 - skinning[:, 4]
    faces = grid_faces(CURTAIN_ROWS, CURTAIN_COLUMNS, closed=False)
    return HairMesh(vertices, skinning, faces, canonical, inside.astype(np.float32))


def _follow_scalp(head: Head, shape: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Shift (N,3) of curtain points: the displacement of the nearest scalp vertex, smoothed over the grid."""
    scalp = np.unique(head.scalp)
    squeeze = np.array([1, 0.6, 1], np.float32)
    a, b = points * squeeze, head.template[scalp] * squeeze
    squared = (b * b).sum(1)[None] - 2 * a @ b.T
    nearest = scalp[squared.argmin(1)]
    shift = (shape[: head.mesh_size] - head.template)[nearest].reshape(CURTAIN_ROWS, CURTAIN_COLUMNS, 3)
    for axis in (0, 1):
        widths = [(3, 3) if k == axis else (0, 0) for k in range(3)]
        padded = np.pad(shift, widths, mode="edge")
        shift = np.stack([np.take(padded, range(k, k + shift.shape[axis]), axis) for k in range(7)]).mean(0)
    return shift.reshape(-1, 3)


def _bun(head: Head, shape: np.ndarray) -> HairMesh:
    moved = (shape[: head.mesh_size] - head.template)[np.unique(head.scalp)].mean(0)
    centre = np.array([0, 8.17, -0.33], np.float32)
    skinning = np.zeros((len(head.sphere), 5), np.float32)
    skinning[:, 4] = 1
    vertices = head.sphere * np.array([0.36, 0.33, 0.33], np.float32) + centre + moved
    inside = np.ones(len(head.sphere), np.float32)
    return HairMesh(vertices, skinning, head.sphere_faces, head.sphere * np.float32(0.35) + centre, inside)


def _join(parts: list[HairMesh]) -> HairMesh:
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    faces = [part.faces + start for part, start in zip(parts, starts, strict=False)]
    return HairMesh(
        np.concatenate([p.vertices for p in parts]).astype(np.float32), np.concatenate([p.skinning for p in parts]),
        np.concatenate(faces).astype(np.int32), np.concatenate([p.canonical for p in parts]).astype(np.float32),
        np.concatenate([p.inside for p in parts]),
    )  # fmt: skip


def build_hair(head: Head, shape: np.ndarray, look: HairLook, seed: np.ndarray, inside: np.ndarray) -> HairMesh | None:
    """Hair mesh of an identity, None for a bald head; `inside` is `hairline_distance`."""
    if look.style == "bald":
        return None
    parts = [_shell(head, shape, look, seed, inside)]
    if look.loose:
        parts.append(_curtain(head, shape, look))
    if look.style == "bun":
        parts.append(_bun(head, shape))
    return _join(parts)
