"""Resizing of whole images as OpenCV's INTER_AREA does it, by its definition; for procedures that must give its pixels.

Shrinking averages areas. Enlarging is linear between the cells' borders, in integers of 11 bits. Held against OpenCV's
output in tests/face/geometry/test_geometry_area_resize.py.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

COEFFICIENT_BITS = 11
# Shorter remains of a cell are left out.
MIN_REMAINDER = 1e-3


def resize_by_area(image: Tensor, width: int) -> Tensor:
    """The image at another width, its height in proportion and truncated to whole pixels.

    Args:
        image: uint8 (H, W, 3).
        width: px.

    Returns:
        uint8 (H * width // W, width, 3) on the CPU.
    """
    picture = image.cpu().numpy()
    height = max(int(picture.shape[0] * width / picture.shape[1]), 1)
    is_smaller = picture.shape[1] >= width and picture.shape[0] >= height
    resized = _averaged(picture, height, width) if is_smaller else _stretched(picture, height, width)
    return torch.from_numpy(resized)


def _averaged(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    rows, columns = (_area_weights(*sizes) for sizes in ((picture.shape[0], height), (picture.shape[1], width)))
    mean = np.tensordot(rows, picture.astype(np.float32), axes=1)
    mean = np.tensordot(columns, mean, axes=([1], [1])).swapaxes(0, 1)
    return np.rint(mean).clip(0, 255).astype(np.uint8)


def _area_weights(size: int, new_size: int) -> np.ndarray:
    """(new_size, size): the share of each old pixel in each new one."""
    scale = size / new_size
    weights = np.zeros((new_size, size), dtype=np.float32)
    for index in range(new_size):
        start, end = index * scale, index * scale + scale
        cell = min(scale, size - start)
        last = min(int(np.floor(end)), size - 1)
        first = min(int(np.ceil(start)), last)
        if first - start > MIN_REMAINDER:
            weights[index, first - 1] = (first - start) / cell
        weights[index, first:last] = 1.0 / cell
        if end - last > MIN_REMAINDER:
            weights[index, last] = min(end - last, 1.0, cell) / cell
    return weights


def _stretched(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    top, row_weights = _linear_weights(picture.shape[0], height)
    left, column_weights = _linear_weights(picture.shape[1], width)
    right = np.minimum(left + 1, picture.shape[1] - 1)
    levels = picture.astype(np.int64)
    across = levels[:, left] * column_weights[:, 0, None] + levels[:, right] * column_weights[:, 1, None]
    bottom = np.minimum(top + 1, picture.shape[0] - 1)
    upper = ((across[top] >> 4) * row_weights[:, 0, None, None]) >> 16
    lower = ((across[bottom] >> 4) * row_weights[:, 1, None, None]) >> 16
    return ((upper + lower + 2) >> 2).clip(0, 255).astype(np.uint8)


def _linear_weights(size: int, new_size: int) -> tuple[np.ndarray, np.ndarray]:
    """(new_size,) old pixels, and (new_size, 2) weights of each and of the next, in 11 bits."""
    index = np.arange(new_size)
    first = np.floor(index * (size / new_size)).astype(np.int64)
    share = ((index + 1) - (first + 1) * (new_size / size)).astype(np.float32)
    share = np.where(share <= 0, np.float32(0), share - np.floor(share))
    share[first >= size - 1] = 0
    first = np.minimum(first, size - 1)
    weights = np.stack([1 - share, share], axis=-1) * np.float32(1 << COEFFICIENT_BITS)
    return first, np.rint(weights).astype(np.int64)
