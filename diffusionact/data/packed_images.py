"""8-bit images among the tensors of our files, as PNG: without loss, a third to a tenth of the size."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor

# Smaller tensors are left as they are.
MIN_BYTES = 2**16
# Of zlib: larger takes much longer and saves little.
COMPRESS_LEVEL = 3


def pack_images(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, list[int]]]:
    """Pack what is an image, uint8 (1, 1, H, W), (1, 3, H, W) or (H, W, 3).

    Returns:
        All tensors, those packed as the bytes of a PNG file (N,) uint8; and name -> shape of those.
    """
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items() if _is_image(tensor)}
    return {name: _packed(tensor) if name in shapes else tensor for name, tensor in tensors.items()}, shapes


def unpack_images(tensors: Mapping[str, Tensor], shapes: Mapping[str, list[int]]) -> dict[str, Tensor]:
    """The inverse of `pack_images`.

    Raises:
        OSError: if an image is damaged.
    """
    return {name: _unpacked(tensor, shapes[name]) if name in shapes else tensor for name, tensor in tensors.items()}


def _is_image(tensor: Tensor) -> bool:
    shape = tensor.shape
    planes = len(shape) == 4 and shape[0] == 1 and shape[1] in (1, 3)
    is_image = planes or (len(shape) == 3 and shape[2] == 3)
    return tensor.dtype == torch.uint8 and is_image and tensor.numel() >= MIN_BYTES


def _packed(tensor: Tensor) -> Tensor:
    pixels = tensor if tensor.ndim == 3 else tensor[0].movedim(0, -1)
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1).contiguous().numpy()).save(file, format="PNG", compress_level=COMPRESS_LEVEL)
    return torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)


def _unpacked(tensor: Tensor, shape: list[int]) -> Tensor:
    try:
        with Image.open(io.BytesIO(tensor.numpy().tobytes()), formats=("PNG",)) as image:
            pixels = torch.from_numpy(np.array(image))
    except (SyntaxError, Image.DecompressionBombError) as error:  # what is damaged is an OSError, or one of these
        raise OSError(str(error)) from error
    if len(shape) == 4:
        pixels = pixels.view(*pixels.shape[:2], -1).movedim(-1, 0)[None]
    if list(pixels.shape) != shape:
        raise OSError(f"an image of {tuple(pixels.shape)} instead of {tuple(shape)}")
    return pixels.contiguous()
