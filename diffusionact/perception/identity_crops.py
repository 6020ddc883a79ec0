"""The 112 px square that networks of face recognition see, cut as the package insightface cuts it; differentiable."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..face.readers.emoca.gaze_net import template_to_image

CROP_SIZE = 112
# Where right eye, left eye, nose tip and mouth corners lie in it, px. Source: insightface, utils/face_align.py.
TEMPLATE = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)


def identity_crops(images: Tensor, landmarks: Tensor) -> Tensor:
    """Turn, scale and shift the faces so that five points lie nearest to the template; bilinear, black beyond borders.

    Whole pixels are centres, in the crop as in the image. Held against insightface's `norm_crop` in
    tests/perception/test_perception_identity_crops.py.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        landmarks: (B, 68, 2) px of them.

    Returns:
        (B, 3, 112, 112) in the images' range.
    """
    matrix = template_to_image(landmarks.float(), TEMPLATE)
    extent = matrix.new_tensor([images.shape[-1], images.shape[-2]])
    # From crop to image, both in [-1, 1] from border to border: pixel i of n has its centre at (2 i + 1) / n - 1.
    centre = matrix[..., :2].sum(-1) * (CROP_SIZE - 1) / 2 + matrix[..., 2]
    linear = matrix[..., :2] * (CROP_SIZE / extent)[:, None]
    shift = (2.0 * centre + 1.0) / extent - 1.0
    size = [len(images), 3, CROP_SIZE, CROP_SIZE]
    grid = F.affine_grid(torch.cat([linear, shift[..., None]], dim=-1), size, align_corners=False)
    # Zero is what lies beyond the borders, so black is made zero. Places need more digits than half precision has.
    crops = F.grid_sample(images.float() + 1.0, grid, padding_mode="zeros", align_corners=False) - 1.0
    return crops.to(images.dtype)
