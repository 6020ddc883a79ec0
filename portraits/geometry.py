"""Small vector geometry in float32 numpy: rotations, normals, spherical harmonics, blending curves.

Rotations follow the house head frame: R = Ry(yaw) Rx(pitch) Rz(roll), +yaw to the image's right, +pitch down,
+roll counter-clockwise.
"""

import math

import numba
import numpy as np

# Cosine lobe of a diffuse surface in the nine order-2 spherical harmonics (Ramamoorthi and Hanrahan 2001).
DIFFUSE_LOBE = np.array([math.pi] + [2.094] * 3 + [0.785] * 5, np.float32)


def head_rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation (3,3) of the house head frame; radians."""
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    cr, sr = math.cos(roll), math.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return (about_y @ about_x @ about_z).astype(np.float32)


def rotation_power(rotation: np.ndarray, exponent: float) -> np.ndarray:
    """The rotation (3,3) about the same axis by `exponent` times the angle."""
    angle = math.acos(min(1.0, max(-1.0, (float(np.trace(rotation)) - 1) / 2)))
    if angle < 1e-5:
        return np.eye(3, dtype=np.float32)
    skew = (rotation - rotation.T) / (2 * math.sin(angle))
    angle *= exponent
    return (np.eye(3) + math.sin(angle) * skew + (1 - math.cos(angle)) * skew @ skew).astype(np.float32)


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """Hermite step from 0 at `low` to 1 at `high`; `low` may exceed `high`."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def lerp(a, b, t):
    """Linear blend a + (b - a) t."""
    return a + (b - a) * t


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows divided by their length."""
    length = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None]
    return vectors / np.maximum(length, 1e-9)


@numba.njit(cache=True, nogil=True)
def _accumulate_normals(vertices, faces, normals):
    for t in range(faces.shape[0]):
        i, j, k = faces[t, 0], faces[t, 1], faces[t, 2]
        ax, ay, az = vertices[j, 0] - vertices[i, 0], vertices[j, 1] - vertices[i, 1], vertices[j, 2] - vertices[i, 2]
        bx, by, bz = vertices[k, 0] - vertices[i, 0], vertices[k, 1] - vertices[i, 1], vertices[k, 2] - vertices[i, 2]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for v in (i, j, k):
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals (N,3); zero for vertices without a face."""
    normals = np.zeros_like(vertices)
    _accumulate_normals(vertices, faces, normals)
    return unit(normals)


def spherical_harmonics(directions: np.ndarray) -> np.ndarray:
    """Real spherical harmonics of order 0 to 2 of unit vectors (...,3) as (...,9) float32."""
    x, y, z = directions[..., 0], directions[..., 1], directions[..., 2]
    terms = [
        np.full_like(x, 0.282095), 0.488603 * y, 0.488603 * z, 0.488603 * x, 1.092548 * x * y,
        1.092548 * y * z, 0.315392 * (3 * z * z - 1), 1.092548 * x * z, 0.546274 * (x * x - y * y),
    ]  # fmt: skip
    return np.stack(terms, -1).astype(np.float32)


def grid_faces(rows: int, columns: int, closed: bool) -> np.ndarray:
    """Triangles (T,3) of a row-major vertex grid; `closed` joins the last column to the first."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    a = (r * columns + c).ravel()
    b = (r * columns + (c + 1) % columns).ravel()
    quads = np.stack([a, b, b + columns, a, b + columns, a + columns], -1)
    return quads.reshape(-1, 3).astype(np.int32)


def unit_sphere(meridians: int = 28, parallels: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N,3) and triangles (T,3) of a unit sphere, poles on the y axis."""
    polar = np.linspace(0, np.pi, parallels + 1)[:, None]
    azimuth = np.arange(meridians) * 2 * np.pi / meridians
    x, z = np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth)
    y = np.cos(polar) * np.ones(meridians)
    vertices = np.stack([x, y, z], -1).reshape(-1, 3).astype(np.float32)
    return vertices, grid_faces(parallels + 1, meridians, closed=True)


def polyline_distance(points: np.ndarray, polyline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance (M,) from points (M,2) to a polyline (K,2), and the position of the nearest point along it in [0,1]."""
    start, edge = polyline[:-1], np.diff(polyline, axis=0)
    along = ((points[:, None] - start) * edge).sum(-1) / (edge * edge).sum(-1)
    along = np.clip(along, 0, 1)
    distance = np.linalg.norm(points[:, None] - (start + along[..., None] * edge), axis=-1)
    nearest = distance.argmin(1)
    rows = np.arange(len(points))
    return distance[rows, nearest], (nearest + along[rows, nearest]) / len(edge)
