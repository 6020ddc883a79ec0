"""Points and pixels of an image at another size.

Half-pixel convention: integer k is the centre of pixel k, an image spans -0.5 to n - 0.5 along a side of n pixels, and
resizing keeps its edges. So x' = (x + 0.5) * s - 0.5, with s the ratio of the sides.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...types import CropTransform

Size = int | tuple[int, int]


def resize_scale(from_size: Size, to_size: Size) -> tuple[float, float]:
    """Factors along x and y.

    Args:
        from_size, to_size: (height, width) px, or the side of a square.

    Raises:
        ValueError: if a side is not positive.
    """
    (height, width), (new_height, new_width) = _sides(from_size), _sides(to_size)
    if min(height, width, new_height, new_width) <= 0:
        raise ValueError(f"Expected sizes above 0 px, received {from_size} and {to_size}. Check the image.")
    return new_width / width, new_height / height


def resize_transform(from_size: Size, to_size: Size) -> Tensor:
    """Affine map (1, 2, 3) float32 on the CPU: px of an image -> px of the same image at another size.

    Args:
        from_size, to_size: (height, width) px, or the side of a square.

    Raises:
        ValueError: if a side is not positive.
    """
    x, y = resize_scale(from_size, to_size)
    return torch.tensor([[[x, 0.0, 0.5 * x - 0.5], [0.0, y, 0.5 * y - 0.5]]])


def resize_points(points: Tensor, from_size: Size, to_size: Size) -> Tensor:
    """Points (..., 2) px of an image, in px of the same image at another size; differentiable.

    Args:
        points: x, y.
        from_size, to_size: (height, width) px, or the side of a square.

    Raises:
        ValueError: if a side is not positive.
    """
    x, y = resize_scale(from_size, to_size)
    scale = x if x == y else points.new_tensor([x, y])
    return (points + 0.5) * scale - 0.5


def resize_crop(crop: CropTransform, size: int) -> CropTransform:
    """The same square with `size` pixels a side.

    Raises:
        ValueError: if the size is not positive.
    """
    scale, _ = resize_scale(crop.size, size)
    linear, shift = crop.matrix[..., :2] * scale, crop.matrix[..., 2:] * scale + (0.5 * scale - 0.5)
    return CropTransform(torch.cat([linear, shift], dim=-1), size)


def _sides(size: Size) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)
