"""The crop of "Finding Directions": a square around the landmarks, not turned, in whole pixels of the image.

Source: official `crop_using_landmarks`, and of its data set; held against its outputs in
tests/face/geometry/test_geometry_square_crop.py.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...types import CropTransform
from .alignment import gaussian_blur
from .resize import resize_crop

# The square's middle lies this part of half its side above the middle of the landmarks.
RAISED_BY = 6
BLUR_SIGMA_PX = 5.0
# Stands for a border of no width; on such a side the outermost line of pixels becomes the median colour.
NO_BORDER = 1e-10


def square_crop(image: Tensor, landmarks: Tensor, size: int) -> tuple[Tensor, CropTransform]:
    """Cut the square; beyond the image its mirrored, blurred pixels fade to the median colour.

    Half the side is the longer side of the landmarks' box, truncated to whole pixels.

    Args:
        image: uint8 (H, W, 3).
        landmarks: (68, 2) px of it, which span at least a pixel.
        size: side of the crop, pixels.

    Returns:
        uint8 (size, size, 3) on the CPU, and the transform with one row.
    """
    left, top, half = _square(landmarks)
    picture = image.cpu().numpy()
    height, width = picture.shape[:2]
    border = (max(-left, 0), max(-top, 0), max(left + 2 * half - width, 0), max(top + 2 * half - height, 0))
    if any(border):
        picture = _padded(picture, border)
    row, column = top + border[1], left + border[0]
    cut = Image.fromarray(picture[row : row + 2 * half, column : column + 2 * half])
    scaled = np.array(cut.resize((size, size), Image.Resampling.BICUBIC))
    in_square = torch.tensor([[[1.0, 0.0, -left], [0.0, 1.0, -top]]])
    return torch.from_numpy(scaled), resize_crop(CropTransform(in_square, 2 * half), size)


def _square(landmarks: Tensor) -> tuple[int, int, int]:
    """Left, top and half the side of the square, px."""
    points = landmarks.detach().cpu().double()
    low, high = points.amin(0), points.amax(0)
    half = max(int((high - low).max()), 1)
    x, y = ((low + high) / 2).round().int().tolist()  # halves go to the even number
    return x - half, y - half // RAISED_BY - half, half


def _padded(image: np.ndarray, border: tuple[int, int, int, int]) -> np.ndarray:
    """The image uint8, wider by a border: left, top, right, bottom, px."""
    left, top, right, bottom = border
    padded = np.pad(image.astype(np.float32), ((top, bottom), (left, right), (0, 0)), "symmetric")
    depth = np.maximum(_depth(padded.shape[1], left, right)[None], _depth(padded.shape[0], top, bottom)[:, None])
    depth = depth[..., None]
    padded += (gaussian_blur(padded, BLUR_SIGMA_PX) - padded) * np.clip(3.0 * depth + 1.0, 0.0, 1.0)
    padded += (np.median(padded, axis=(0, 1)) - padded) * np.clip(depth, 0.0, 1.0)
    return np.clip(padded, 0, 255).astype(np.uint8)


def _depth(length: int, before: int, after: int) -> np.ndarray:
    """(length,) float32: 1 at the padded image's border, 0 at the image's own, negative inside."""
    position = np.arange(length, dtype=np.float32)
    return 1.0 - np.minimum(position / np.float32(before or NO_BORDER), position[::-1] / np.float32(after or NO_BORDER))
