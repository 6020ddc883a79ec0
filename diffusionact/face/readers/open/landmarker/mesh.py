"""MediaPipe's face mesh: an image of one face -> 478 points (the last ten are irises) -> 52 blendshapes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .graph import load_bundled_network
from .regions import SquareRegions

INPUT_SIZE = 256
NUM_POINTS = 478

# The mesh points that the blendshape net reads, in its order (MediaPipe's face blendshapes graph).
BLENDSHAPE_POINTS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
    81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
    154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251,
    263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318,
    321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
)  # fmt: skip


class FaceMesh(nn.Module):
    """Finds the mesh of the face in a square image; differentiable."""

    def __init__(self):
        super().__init__()
        self.net = load_bundled_network("face_mesh")

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mesh points and presence.

        Args:
            images: (B, 3, 256, 256) float in [0, 1], the face upright with a margin of half its size.

        Returns:
            (B, 478, 3) unit coordinates of the image, z in the same unit, smaller is nearer; (B,) presence in [0, 1].
        """
        # Channels-last runs twice as fast on CPUs here.
        points, presence, _ = self.net(images.contiguous(memory_format=torch.channels_last))
        return points.reshape(-1, NUM_POINTS, 3) / INPUT_SIZE, presence.reshape(-1).sigmoid()


class FaceBlendshapes(nn.Module):
    """Reads 52 expression values in [0, 1] off the mesh; differentiable. Order: `face/expression_names.py`."""

    def __init__(self):
        super().__init__()
        self.net = load_bundled_network("face_blendshapes")

    def forward(self, points: Tensor) -> Tensor:
        """(B, 478, 2 or more) mesh points, any translation and scale but undistorted aspect -> (B, 52)."""
        return self.net(points[:, list(BLENDSHAPE_POINTS), :2])[0]


def place_mesh(points: Tensor, regions: SquareRegions) -> Tensor:
    """Carry mesh points (N, 478, 3) from unit coordinates of N regions to pixels; depth is scaled alike."""
    depth = points[..., 2:] * regions.side[:, None, None]
    return torch.cat([regions.to_image(points[..., :2]), depth], dim=-1)
