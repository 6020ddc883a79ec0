"""The 150 px square that dlib's network of face recognition sees, cut as dlib cuts it; differentiable in the images.

Whole pixels are centres, in the crop as in the image.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

CROP_SIZE = 150
# Share of the mean face's square that is added on each side.
PADDING = 0.25
# The landmarks that place the crop: nose, eyes, outer upper lip, inner upper lip. Brows, contour and lower lip move too
# much. Source: dlib, image_transforms/interpolation.h, `get_face_chip_details`.
TEMPLATE_LANDMARKS = (*range(27, 55), *range(60, 65))
# Where dlib's upright mean face has them, in sides of its square; the same source.
# fmt: off
TEMPLATE_X = (
    0.490127, 0.490127, 0.490127, 0.490127, 0.36688, 0.426036, 0.490127, 0.554217, 0.613373, 0.121737, 0.187122,
    0.265825, 0.334606, 0.260918, 0.182743, 0.645647, 0.714428, 0.793132, 0.858516, 0.79751, 0.719335, 0.254149,
    0.340985, 0.428858, 0.490127, 0.551395, 0.639268, 0.726104, 0.290379, 0.428096, 0.490127, 0.552157, 0.689874,
)
TEMPLATE_Y = (
    0.203352, 0.307009, 0.409805, 0.515625, 0.587326, 0.609345, 0.628106, 0.609345, 0.587326, 0.216423, 0.178758,
    0.179852, 0.231733, 0.245099, 0.244077, 0.231733, 0.179852, 0.178758, 0.216423, 0.244077, 0.245099, 0.780233,
    0.745405, 0.727388, 0.742578, 0.727388, 0.745405, 0.780233, 0.784792, 0.778746, 0.785343, 0.778746, 0.784792,
)
# fmt: on


def photo_identity_crops(images: Tensor, landmarks: Tensor) -> Tensor:
    """Turn, scale and shift faces so that their landmarks lie nearest to the mean face's; black beyond borders.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        landmarks: (B, 68, 2) px of them; no gradient flows through them.

    Returns:
        (B, 3, 150, 150) float32 in the images' range.
    """
    matrices = crop_to_image(landmarks.detach().float())
    # Zero is what lies beyond the borders, so black is made zero.
    levels = images.float() + 1.0
    return torch.cat([_crop(image[None], matrix) for image, matrix in zip(levels, matrices, strict=True)]) - 1.0


def crop_to_image(landmarks: Tensor) -> Tensor:
    """Least-squares similarity (B, 2, 3) from px of the crop to px of the image, of landmarks (B, 68, 2) px.

    As dlib has it: a crop that covers s px of the image has s - 1 px between its outermost pixel centres.
    """
    mean_face = (landmarks.new_tensor((TEMPLATE_X, TEMPLATE_Y)).T + PADDING) / (1 + 2 * PADDING) * CROP_SIZE
    seen = landmarks[:, list(TEMPLATE_LANDMARKS)]
    a, b = mean_face - mean_face.mean(0), seen - seen.mean(1, keepdim=True)
    along = (a * b).sum((1, 2)) / a.square().sum()
    across = (a[:, 0] * b[..., 1] - a[:, 1] * b[..., 0]).sum(1) / a.square().sum()
    turn = torch.stack([along, -across, across, along], dim=-1).reshape(-1, 2, 2)
    scale = turn[:, :, 0].norm(dim=-1)[:, None, None].clamp(min=1e-6)
    pixels = turn / scale * ((CROP_SIZE * scale - 1) / (CROP_SIZE - 1))
    centre = seen.mean(1) + turn @ (CROP_SIZE / 2 - mean_face.mean(0))
    start = centre - pixels @ landmarks.new_full((2,), (CROP_SIZE - 1) / 2)
    return torch.cat([pixels, start[..., None]], dim=-1)


def _crop(image: Tensor, matrix: Tensor) -> Tensor:
    """One crop (1, 3, 150, 150); large faces are sampled several times per pixel and averaged, against aliasing."""
    steps = max(1, math.ceil(float(matrix[:, 0].norm()) - 0.05))
    line = (torch.arange(CROP_SIZE * steps, device=image.device, dtype=image.dtype) + 0.5) / steps - 0.5
    y, x = torch.meshgrid(line, line, indexing="ij")
    positions = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ matrix.T
    grid = (positions + 0.5) * 2 / positions.new_tensor([image.shape[3], image.shape[2]]) - 1
    crop = F.grid_sample(image, grid[None], padding_mode="zeros", align_corners=False)
    return F.avg_pool2d(crop, steps) if steps > 1 else crop
