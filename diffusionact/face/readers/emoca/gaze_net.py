"""ETH-XGaze network: a 224 px face patch to gaze angles, with the patch's geometry as the official code has it.

Gaze is pitch, yaw in radians with the signs of `face/geometry/gaze.py`, which places the pupils. Source: Zhang et al.
2020 and the official code; held against its outputs in tests/face/readers/emoca/test_emoca_gaze_net.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...geometry.ibug68 import LEFT_EYE, LEFT_MOUTH_CORNER, RIGHT_EYE, RIGHT_MOUTH_CORNER
from .residual_net import OFFICIAL_WIDTH, ResidualNet

PATCH_SIZE = 224
NOSE_TIP = 30
# Where right eye, left eye, nose tip and mouth corners lie in a square of 112 px. Source: the official code, which
# stretches the points for 96 x 112 px; `perception/identity_crops.py` has those for 112 x 112 px.
TEMPLATE_SIZE = 112
TEMPLATE = (
    (35.343697, 51.6963),
    (76.453766, 51.5014),
    (56.029396, 71.7366),
    (39.14085, 92.3655),
    (73.18488, 92.2041),
)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class GazeNet(nn.Module):
    """Residual network with one linear layer.

    Args:
        width: channels of the first convolution; the official network has 64.
    """

    def __init__(self, width: int = OFFICIAL_WIDTH):
        super().__init__()
        self.trunk = ResidualNet(width)
        self.out = nn.Linear(self.trunk.num_features, 2)

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (B, 3, 224, 224) of `gaze_patches` -> gaze (B, 2) pitch, yaw in radians."""
        return self.out(self.trunk(patches))

    def gaze(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Gaze (B, 2) pitch, yaw in radians of faces in aligned images; arguments as for `gaze_patches`."""
        return self(gaze_patches(images, landmarks))


def gaze_patches(images: Tensor, landmarks: Tensor) -> Tensor:
    """The network's input: the face turned upright, normalised by ImageNet's mean and deviation; differentiable.

    Args:
        images: (B, 3, H, H) RGB in [-1, 1].
        landmarks: (B, 68, 2) px of the images, from the landmark network.

    Returns:
        (B, 3, 224, 224) float.
    """
    unit = (warp_face(images, landmarks).clamp(-1.0, 1.0) + 1.0) / 2.0
    mean, std = (unit.new_tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (unit - mean) / std


def warp_face(images: Tensor, landmarks: Tensor) -> Tensor:
    """Sample the images so that five points lie on the template; (B, 3, 224, 224) in the images' range.

    Outside the images are zeros, which is mid grey in [-1, 1]: the official code warps before it changes the range.
    """
    grid = F.affine_grid(patch_grid(landmarks, images.shape[-1]), [len(images), 3, PATCH_SIZE, PATCH_SIZE], False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def patch_grid(landmarks: Tensor, size: int) -> Tensor:
    """Affine map (B, 2, 3) from the patch to an image of `size` px, both in [-1, 1] from border to border."""
    matrix = template_to_image(landmarks)
    linear = matrix[..., :2] * (TEMPLATE_SIZE / size)
    shift = 2.0 / size * matrix[..., 2] + linear.sum(-1) - 1.0
    return torch.cat([linear, shift[..., None]], dim=-1)


def template_to_image(landmarks: Tensor, template_points: Sequence[tuple[float, float]] = TEMPLATE) -> Tensor:
    """The turn, scale and shift (B, 2, 3) that bring the template nearest to five points of the face.

    Umeyama 1991 in the plane, where it has a closed form: with centred points as complex numbers p (template) and q,
    the least-squares turn and scale is sum(conj(p) q) / sum(|p|^2).

    Args:
        landmarks: (B, 68, 2) px.
        template_points: five, in the order of `five_points`, px.
    """
    points = five_points(landmarks)
    template = landmarks.new_tensor(template_points)
    start, end = template - template.mean(0), points - points.mean(1, keepdim=True)
    cosine = (start * end).sum((1, 2)) / start.square().sum()
    sine = (start[:, 0] * end[..., 1] - start[:, 1] * end[..., 0]).sum(1) / start.square().sum()
    linear = torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], -2)
    return torch.cat([linear, points.mean(1)[..., None] - linear @ template.mean(0)[:, None]], dim=-1)


def five_points(landmarks: Tensor) -> Tensor:
    """Right eye, left eye, nose tip, right and left mouth corner (B, 5, 2) of landmarks (B, 68, 2)."""
    eyes = [landmarks[:, list(eye)].mean(1) for eye in (RIGHT_EYE, LEFT_EYE)]
    points = [landmarks[:, index] for index in (NOSE_TIP, RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER)]
    return torch.stack(eyes + points, dim=1)
