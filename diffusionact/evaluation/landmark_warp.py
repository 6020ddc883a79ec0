"""An image warped by its landmarks: affine in each triangle of a fixed mesh. The baseline that knows geometry only.

The mesh joins the 68 landmarks with eight points on the image's border, which stay where they are. It is the
Delaunay triangulation of the mean frontal face of the synthetic portraits.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Corners and middles of the edges as shares of the image, row by row: points 68 to 75.
BORDER = ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.0, 0.5), (1.0, 0.5), (0.0, 1.0), (0.5, 1.0), (1.0, 1.0))
_TRIANGLES = """
0-1-71 0-17-36 0-36-1 0-71-17 1-2-71 1-36-41 1-41-2 2-3-71 2-31-3 2-41-31 3-4-73 3-31-48 3-48-4 3-73-71 4-5-73 4-48-5
5-6-73 5-48-59 5-59-6 6-7-74 6-59-7 6-74-73 7-8-74 7-57-8 7-58-57 7-59-58 8-9-74 8-57-9 9-10-75 9-55-10 9-56-55
9-57-56 9-75-74 10-11-75 10-55-11 11-12-75 11-54-12 11-55-54 12-13-75 12-54-13 13-14-72 13-35-14 13-54-35 13-72-75
14-15-72 14-35-46 14-46-15 15-16-72 15-45-16 15-46-45 16-26-72 16-45-26 17-18-37 17-37-36 17-68-18 17-71-68 18-19-37
18-68-69 18-69-19 19-20-38 19-38-37 19-69-20 20-21-38 20-23-21 20-69-23 21-22-27 21-23-22 21-27-39 21-39-38 22-23-43
22-42-27 22-43-42 23-24-43 23-69-24 24-25-44 24-44-43 24-69-25 25-26-44 25-69-70 25-70-26 26-45-44 26-70-72 27-28-39
27-42-28 28-29-40 28-40-39 28-42-47 28-47-29 29-30-31 29-31-40 29-35-30 29-47-35 30-32-31 30-33-32 30-34-33 30-35-34
31-32-50 31-41-40 31-49-48 31-50-49 32-33-50 33-34-52 33-51-50 33-52-51 34-35-52 35-47-46 35-53-52 35-54-53 36-37-41
37-38-40 37-40-41 38-39-40 42-43-47 43-44-47 44-45-46 44-46-47 48-49-60 48-60-59 49-50-61 49-61-67 49-67-60 50-51-62
50-62-61 51-52-62 52-53-63 52-63-62 53-54-64 53-64-65 53-65-63 54-55-64 55-56-65 55-65-64 56-57-66 56-66-65 57-58-66
58-59-67 58-67-66 59-60-67 61-62-66 61-66-67 62-63-65 62-65-66
"""
TRIANGLES = tuple(tuple(int(corner) for corner in triangle.split("-")) for triangle in _TRIANGLES.split())
# Barycentric coordinates may be so far below 0 that no pixel falls between two triangles.
TOLERANCE = 1e-4
# Against all triangles; more would leave the processor's caches.
PIXELS_AT_ONCE = 2048


def warp_by_landmarks(images: Tensor, landmarks: Tensor, wanted: Tensor) -> Tensor:
    """Move the landmarks of images to other positions, and all between them along.

    Where a turned head folds the mesh over itself, the triangles that still show their front are drawn.

    Args:
        images: (B, 3, H, H) in [-1, 1].
        landmarks: (B, 68, 2) px of the images.
        wanted: (B, 68, 2) px, where they should lie.

    Returns:
        (B, 3, H, H) in [-1, 1].
    """
    size = images.shape[-1]
    sources = torch.stack([_source_positions(*pair, size) for pair in zip(landmarks, wanted, strict=True)])
    grid = (2 * sources + 1) / size - 1  # px, centres at whole numbers, to the -1..1 of grid_sample
    return F.grid_sample(images, grid.to(images), padding_mode="border", align_corners=False).clamp(-1.0, 1.0)


def _source_positions(landmarks: Tensor, wanted: Tensor, size: int) -> Tensor:
    """(H, H, 2) px: where each pixel of the warped image comes from."""
    corners = torch.tensor(TRIANGLES, device=landmarks.device)
    border = landmarks.new_tensor(BORDER) * size - 0.5
    before, after = (torch.cat([points, border])[corners] for points in (landmarks, wanted))  # (K, 3, 2)
    axis = torch.arange(size, device=landmarks.device, dtype=landmarks.dtype)
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).reshape(-1, 2)
    edges = after[:, 1:] - after[:, :1]  # (K, 2, 2)
    area = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    usable = area.abs() > 1e-6
    divisor = torch.where(usable, area, 1.0)
    sources = []
    for part in pixels.split(PIXELS_AT_ONCE):
        offset = part[:, None] - after[None, :, 0]  # (P, K, 2)
        second = (offset[..., 0] * edges[:, 1, 1] - offset[..., 1] * edges[:, 1, 0]) / divisor
        third = (offset[..., 1] * edges[:, 0, 0] - offset[..., 0] * edges[:, 0, 1]) / divisor
        weights = torch.stack([1 - second - third, second, third], dim=-1)  # (P, K, 3)
        inside = torch.where(usable, weights.amin(dim=-1), -torch.inf)
        # Front before back, then the triangle that holds the pixel best; every pixel lies in one, as the border is
        # fixed.
        rank = torch.where(inside >= -TOLERANCE, (area > 0).to(inside) * 4 + inside, inside - 4)
        best = rank.argmax(dim=1)
        chosen = weights[torch.arange(len(best), device=best.device), best]
        sources.append(torch.einsum("pc,pci->pi", chosen, before[best]))
    return torch.cat(sources).reshape(size, size, 2)
