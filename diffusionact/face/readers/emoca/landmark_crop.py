"""Around the landmark network: the square that it sees of a face, and its heat maps as whole pixels of the image.

Every rounding is the official code's: corners and landmarks are truncated to whole pixels. Sources: 2D-FAN's cropping
and decoding; held against the official output in tests/face/readers/emoca/test_emoca_landmark_crop.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

CROP_SIZE = 256
HEATMAP_SIZE = 64
# The square's centre lies this share of the box's height above the box's centre.
CENTRE_RAISE = 0.12
# Width and height of a box of scale 1 together, px; and the side of its square.
BOX_PER_SCALE = 195.0
SIDE_PER_SCALE = 200.0
# A landmark moves this far from the best cell towards its better neighbour.
NEIGHBOUR_SHIFT = 0.25


@dataclass(frozen=True)
class FaceSquare:
    """The square of one image that the landmark network sees.

    Attributes:
        centre: (2,) x, y, px.
        scale: its side is 200 times this.
    """

    centre: Tensor
    scale: float

    @classmethod
    def around(cls, box: Tensor) -> FaceSquare:
        """The square of a face box (4,): left, top, right, bottom, px."""
        left, top, right, bottom = box.float().cpu().tolist()
        centre = torch.tensor([(left + right) / 2, (top + bottom) / 2 - CENTRE_RAISE * (bottom - top)])
        return cls(centre, (right - left + bottom - top) / BOX_PER_SCALE)

    def to_image(self, points: Tensor, resolution: int) -> Tensor:
        """Points (N, 2) of the square divided into `resolution` cells, in whole px of the image, truncated.

        The inverse is taken of a float32 matrix, as in the official code: an exact one would round other points.
        """
        side = SIDE_PER_SCALE * self.scale
        matrix = torch.eye(3)
        matrix[0, 0] = matrix[1, 1] = resolution / side
        matrix[:2, 2] = resolution * (0.5 - self.centre / side)
        homogeneous = torch.cat([points, torch.ones(len(points), 1)], dim=-1)
        return (homogeneous @ torch.linalg.inv(matrix).T)[:, :2].trunc()


def crop_for_landmarks(image: Tensor, square: FaceSquare, antialias: bool = True) -> Tensor:
    """What the landmark network sees, in the range of the image; black beyond its borders.

    Args:
        image: (3, H, W) float, [0, 255) by `ranges.to_official_levels`.
        square: where to look.
        antialias: filter where it shrinks; torchvision did not before 0.17.

    Returns:
        (3, 256, 256); divide by 255 for the network.
    """
    corners = square.to_image(torch.tensor([[1.0, 1.0], [CROP_SIZE] * 2]), CROP_SIZE)
    (left, top), (right, bottom) = corners.int().tolist()
    cut = image.new_zeros(3, max(bottom - top, 1), max(right - left, 1))
    inside = image[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if inside.numel():
        row, column = max(-top, 0), max(-left, 0)
        cut[:, row : row + inside.shape[1], column : column + inside.shape[2]] = inside
    resized = F.interpolate(
        cut[None], (CROP_SIZE, CROP_SIZE), mode="bilinear", align_corners=False, antialias=antialias
    )
    return resized[0]


def landmarks_from_heatmaps(heatmaps: Tensor, squares: list[FaceSquare]) -> Tensor:
    """Landmarks in whole pixels of the images.

    Args:
        heatmaps: (B, 68, 64, 64).
        squares: B, where the network looked.

    Returns:
        (B, 68, 2) float px on the CPU, iBUG-68.
    """
    cells = heatmap_peaks(heatmaps).cpu()
    return torch.stack([square.to_image(row, HEATMAP_SIZE) for row, square in zip(cells, squares, strict=True)])


def heatmap_peaks(heatmaps: Tensor) -> Tensor:
    """Positions (B, N, 2) of the largest values of heat maps (B, N, S, S): the middle of the first cell is at 0.5.

    Inside the map a peak moves a quarter of a cell along x and y, to the larger neighbour.
    """
    size = heatmaps.shape[-1]
    best = heatmaps.flatten(2).argmax(-1)
    x, y = best % size, best // size
    inside = (x > 0) & (x < size - 1) & (y > 0) & (y < size - 1)
    flat, middle = heatmaps.flatten(2), best.clamp(size, size * (size - 1) - 1)
    slopes = [
        (flat.gather(-1, middle[..., None] + step) - flat.gather(-1, middle[..., None] - step))[..., 0]
        for step in (1, size)
    ]
    shift = torch.stack(slopes, dim=-1).sign() * NEIGHBOUR_SHIFT * inside[..., None]
    return torch.stack([x, y], dim=-1) + 1.0 + shift - 0.5
