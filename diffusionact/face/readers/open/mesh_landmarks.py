"""iBUG-68 landmarks and pupils out of the 478 points of MediaPipe's face mesh.

Every landmark is a fixed weighted mean of mesh points, so the whole is one matrix. Contour and nose bridge follow a
line of mesh points at equal steps of its length on the canonical face.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...geometry.ibug68 import NUM_LANDMARKS

NUM_MESH_POINTS = 478

# Image-left (the subject's right) temple -> chin -> other temple.
RIGHT_JAW_LINE = (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152)
LEFT_JAW_LINE = (152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 356)
NOSE_BRIDGE_LINE = (168, 6, 197, 195, 5, 4)

# iBUG index of the first landmark -> mesh points whose mean is each landmark.
MESH_POINTS_FROM = {
    17: ((70, 46), (63, 53), (105, 52), (66, 65), (107, 55)),  # right brow, outer end first: upper and lower edge
    22: ((336, 285), (296, 295), (334, 282), (293, 283), (300, 276)),  # left brow, inner end first
    31: ((98,), (97,), (2,), (326,), (327,)),  # under the nose
    36: ((33,), (160,), (158,), (133,), (153,), (144,)),  # right eye, outer corner first
    42: ((362,), (385,), (387,), (263,), (373,), (380,)),  # left eye, inner corner first
    48: ((61,), (40,), (37,), (0,), (267,), (270,), (291,)),  # upper edge of the lips
    55: ((321,), (314,), (17,), (84,), (91,)),  # lower edge, back to the right corner
    60: ((78,), (81,), (13,), (311,), (308,), (402,), (14,), (178,)),  # inner lips
}

# Iris centres, the subject's right eye first.
PUPIL_POINTS = (468, 473)


def landmark_matrix(canonical: Tensor) -> Tensor:
    """Weights of the mesh points in each landmark.

    Args:
        canonical: (468, 3) vertices of the canonical face.

    Returns:
        (68, 478), rows sum to 1.
    """
    matrix = torch.zeros(NUM_LANDMARKS, NUM_MESH_POINTS)
    for first, groups in MESH_POINTS_FROM.items():
        for offset, group in enumerate(groups):
            matrix[first + offset, list(group)] = 1 / len(group)
    matrix[0:9] = _equal_steps(canonical, RIGHT_JAW_LINE, 9)
    matrix[8:17] = _equal_steps(canonical, LEFT_JAW_LINE, 9)
    matrix[27:31] = _equal_steps(canonical, NOSE_BRIDGE_LINE, 4)
    return matrix


def _equal_steps(canonical: Tensor, line: tuple[int, ...], count: int) -> Tensor:
    """Weights (count, 478) of `count` points at equal steps along a line of mesh points, both ends included."""
    vertices = canonical[list(line)]
    lengths = (vertices[1:] - vertices[:-1]).norm(dim=-1)
    reached = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    matrix = torch.zeros(count, NUM_MESH_POINTS)
    for row, wanted in enumerate(torch.linspace(0, reached[-1].item(), count)):
        segment = int(torch.searchsorted(reached, wanted).clamp(1, len(line) - 1)) - 1
        share = ((wanted - reached[segment]) / lengths[segment]).clamp(0, 1)
        matrix[row, line[segment]] = 1 - share
        matrix[row, line[segment + 1]] = share
    return matrix
