"""A z-buffer rasteriser and per-pixel interpolation for one CPU core (numba), and the value noise of the textures.

Screen coordinates: pixel k spans [k, k+1), so its centre is k + 0.5; depth is small when near.
"""

import numba
import numpy as np

NOISE_PERIOD = 32


@numba.njit(cache=True, fastmath=True, nogil=True)
def _rasterise(screen, faces, size, two_sided, triangle, bary, depth):
    for t in range(faces.shape[0]):
        ax, ay, az = screen[faces[t, 0], 0], screen[faces[t, 0], 1], screen[faces[t, 0], 2]
        bx, by, bz = screen[faces[t, 1], 0], screen[faces[t, 1], 1], screen[faces[t, 1], 2]
        cx, cy, cz = screen[faces[t, 2], 0], screen[faces[t, 2], 1], screen[faces[t, 2], 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area > -1e-9 and not (two_sided[t] and area > 1e-9):
            continue
        x0 = max(0, int(np.floor(min(ax, bx, cx) - 0.5)))
        x1 = min(size - 1, int(np.ceil(max(ax, bx, cx) - 0.5)))
        y0 = max(0, int(np.floor(min(ay, by, cy) - 0.5)))
        y1 = min(size - 1, int(np.ceil(max(ay, by, cy) - 0.5)))
        inverse = 1.0 / area
        for row in range(y0, y1 + 1):
            py = row + 0.5
            for column in range(x0, x1 + 1):
                px = column + 0.5
                u = ((bx - px) * (cy - py) - (by - py) * (cx - px)) * inverse
                v = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) * inverse
                w = 1 - u - v
                if u >= -1e-5 and v >= -1e-5 and w >= -1e-5:
                    z = u * az + v * bz + w * cz
                    if z < depth[row, column]:
                        depth[row, column] = z
                        triangle[row, column] = t
                        bary[row, column, 0] = u
                        bary[row, column, 1] = v
                        bary[row, column, 2] = w


def rasterise(screen: np.ndarray, faces: np.ndarray, size: int, two_sided: np.ndarray):
    """Nearest triangle of every covered pixel.

    Args:
        screen: (N,3) float32, pixel x, pixel y (down), depth.
        faces: (T,3) int32; seen faces wind counter-clockwise in the world (negative area on screen).
        size: side of the square image.
        two_sided: (T,) bool, triangles seen from both sides.

    Returns:
        pixel (M,) flat indices, triangle (M,), barycentric weights (M,3).
    """
    triangle = np.full((size, size), -1, np.int32)
    bary = np.zeros((size, size, 3), np.float32)
    depth = np.full((size, size), 1e30, np.float32)
    _rasterise(screen, faces, size, two_sided, triangle, bary, depth)
    flat = triangle.ravel()
    pixel = np.flatnonzero(flat >= 0)
    return pixel, flat[pixel], bary.reshape(-1, 3)[pixel]


@numba.njit(cache=True, fastmath=True, nogil=True)
def interpolate(attributes, faces, triangle, bary):
    """Attributes (N,C) of the corners of each fragment's triangle, blended to (M,C) float32."""
    out = np.empty((triangle.shape[0], attributes.shape[1]), np.float32)
    for m in range(triangle.shape[0]):
        t = triangle[m]
        i, j, k = faces[t, 0], faces[t, 1], faces[t, 2]
        for c in range(attributes.shape[1]):
            blend = bary[m, 0] * attributes[i, c] + bary[m, 1] * attributes[j, c] + bary[m, 2] * attributes[k, c]
            out[m, c] = blend
    return out


@numba.njit(cache=True, fastmath=True, nogil=True)
def sample_images(images, uv):
    """Bilinear samples (M,C) of images (C,H,W) at uv (M,2) in [0,1], v upwards."""
    count, height, width = images.shape
    out = np.empty((uv.shape[0], count), np.float32)
    for m in range(uv.shape[0]):
        x = min(max(uv[m, 0] * width - 0.5, 0.0), width - 1.001)
        y = min(max((1 - uv[m, 1]) * height - 0.5, 0.0), height - 1.001)
        i, j = int(y), int(x)
        fy, fx = y - i, x - j
        for c in range(count):
            top = images[c, i, j] * (1 - fx) + images[c, i, j + 1] * fx
            bottom = images[c, i + 1, j] * (1 - fx) + images[c, i + 1, j + 1] * fx
            out[m, c] = top * (1 - fy) + bottom * fy
    return out


@numba.njit(cache=True, fastmath=True, nogil=True)
def _value_noise(points, lattice):
    out = np.empty(points.shape[0], np.float32)
    period = lattice.shape[0]
    for m in range(points.shape[0]):
        fx, fy, fz = np.floor(points[m, 0]), np.floor(points[m, 1]), np.floor(points[m, 2])
        x, y, z = points[m, 0] - fx, points[m, 1] - fy, points[m, 2] - fz
        i, j, k = int(fx) % period, int(fy) % period, int(fz) % period
        i1, j1, k1 = (i + 1) % period, (j + 1) % period, (k + 1) % period
        a = lattice[i, j, k] * (1 - z) + lattice[i, j, k1] * z
        b = lattice[i, j1, k] * (1 - z) + lattice[i, j1, k1] * z
        c = lattice[i1, j, k] * (1 - z) + lattice[i1, j, k1] * z
        d = lattice[i1, j1, k] * (1 - z) + lattice[i1, j1, k1] * z
        low = a * (1 - y) + b * y
        high = c * (1 - y) + d * y
        out[m] = low * (1 - x) + high * x
    return out


_LATTICE = np.random.default_rng(7).uniform(-1, 1, (NOISE_PERIOD,) * 3).astype(np.float32)


def noise(points: np.ndarray) -> np.ndarray:
    """Tileable value noise in [-1,1], (M,), of points (M,3) in lattice units."""
    return _value_noise(np.ascontiguousarray(points, np.float32), _LATTICE)
