"""Photos cut beside the face, so that the warp meets the photo's edge in training as it does in use."""

from __future__ import annotations

import numpy as np
from torch import Tensor

# Share of the photos that are cut, and how far from the face's middle an edge is left, in sizes of its mesh.
CUT_PHOTOS, CUT_SIZES = 0.3, (0.6, 1.1)


def cut_photo(photo: Tensor, mesh: Tensor, rng: np.random.Generator) -> tuple[Tensor, tuple[int, int]]:
    """A photo (H, W, 3), now and then without what lies beyond one of its sides, and the corner (x, y) px that is left.

    Args:
        photo: the whole.
        mesh: (478, 3) px of the face in it.
        rng: whether and where.
    """
    if rng.random() >= CUT_PHOTOS:
        return photo, (0, 0)
    low, high = mesh[:, :2].amin(0), mesh[:, :2].amax(0)
    size, (x, y) = float((high - low).max()), ((low + high) / 2).tolist()
    height, width = photo.shape[:2]
    box = [0, 0, width, height]
    edge = int(rng.integers(4))
    away = size * rng.uniform(*CUT_SIZES) * (-1 if edge < 2 else 1)
    box[edge] = int(np.clip(round((x, y)[edge % 2] + away), 0, (width, height)[edge % 2]))
    left, top, right, bottom = box
    return photo[top:bottom, left:right].contiguous(), (left, top)
