"""Frames of glasses as thin tubes around superellipses, in the identity's rest pose."""

import numpy as np

from .geometry import grid_faces, lerp, unit
from .head import Head
from .looks import GlassesLook

SIDES, RIM_POINTS = 5, 28


def _tube(curve: np.ndarray, radius: float, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    """A tube of five sides along a curve (K,3)."""
    if closed:
        tangent, across = np.roll(curve, -1, 0) - np.roll(curve, 1, 0), np.array([0, 0, 1.0])
    else:
        tangent, across = np.gradient(curve, axis=0), np.array([0, 1.0, 0])
    first = unit(np.cross(unit(tangent), across))
    second = np.cross(unit(tangent), first)
    angle = np.arange(SIDES) * 2 * np.pi / SIDES
    ring = first[:, None] * np.cos(angle)[:, None] + second[:, None] * np.sin(angle)[:, None]
    vertices = curve[:, None] + radius * ring
    if closed:
        vertices = np.concatenate([vertices, vertices[:1]])
    return vertices.reshape(-1, 3), grid_faces(len(vertices), SIDES, closed=True)


def build_glasses(head: Head, shape: np.ndarray, look: GlassesLook) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N,3) and triangles (T,3) of the frame."""
    points = head.landmarks(shape)
    front = float(max(points[27, 2] + 0.03, points[[19, 24], 2].max() - 0.02))
    ears = shape[: head.mesh_size][head.ear > 0.5]
    ear_x, ear_z = float(np.abs(ears[:, 0]).mean()), float(ears[:, 2].mean())
    angle = np.arange(RIM_POINTS) * 2 * np.pi / RIM_POINTS

    def rounded(x: np.ndarray) -> np.ndarray:
        return np.sign(x) * np.abs(x) ** (2 / look.squareness)

    tubes = []
    left_eye = head.joint(shape, "eyeL")
    for name, side in (("eyeL", 1), ("eyeR", -1)):
        eye = head.joint(shape, name)
        cx, cy = eye[0] + side * 0.015, eye[1] + look.drop
        x = cx + look.width * rounded(np.cos(angle))
        z = front - 0.55 * np.maximum(np.abs(x) - 0.25, 0) ** 2
        rim = np.stack([x, cy + look.height * rounded(np.sin(angle)), z], -1)
        tubes.append(_tube(rim, look.thickness, closed=True))
        hinge = np.array([cx + side * look.width, cy + 0.05, front - 0.06])
        temple = lerp(hinge, np.array([ear_x * side, cy + 0.05, ear_z]), np.linspace(0, 1, 8)[:, None])
        tubes.append(_tube(temple, look.thickness, closed=False))
    along = np.linspace(-1, 1, 8)
    inner = left_eye[0] + 0.015 - look.width
    height = left_eye[1] + look.drop + 0.06 + 0.02 * (1 - along**2)
    bridge = np.stack([along * inner, height, np.full_like(along, front + 0.005)], -1)
    tubes.append(_tube(bridge, look.thickness, closed=False))
    starts = np.cumsum([0] + [len(vertices) for vertices, _ in tubes])
    faces = [faces + start for (_, faces), start in zip(tubes, starts, strict=False)]
    return np.concatenate([v for v, _ in tubes]).astype(np.float32), np.concatenate(faces).astype(np.int32)
