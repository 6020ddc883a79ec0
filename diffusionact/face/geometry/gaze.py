"""Gaze angles to pupils in the image and back, within the eye boxes of the landmarks.

Gaze is (pitch, yaw) in radians with the signs of the paper's Eq. 9: +pitch looks up, +yaw to the image's left. One pair
of angles serves both eyes. Pupils are ordered the subject's right eye (points 36 to 41) first; the official code calls
that eye "left".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .ibug68 import EYES

# Beyond this the iris is hidden behind the lids; observed angles are clamped to it.
MAX_GAZE_RAD = math.radians(60.0)
# An eye box counts as at least this high for its width, so that a closed eye does not turn noise into large angles.
MIN_HEIGHT_PER_WIDTH = 0.15
# At this height for its width an eye counts as open and gets full weight.
OPEN_HEIGHT_PER_WIDTH = 0.25
# Weight of a closed eye: decides only where both are closed.
CLOSED_WEIGHT = 1e-4


def eye_boxes(landmarks: Tensor) -> tuple[Tensor, Tensor]:
    """Centres and sizes of both eyes: the mean of the six points, and their extent.

    Args:
        landmarks: (B, 68, 2) px.

    Returns:
        centres (B, 2, 2) and sizes (B, 2, 2) width, height, px; the subject's right eye first.
    """
    points = torch.stack([landmarks[:, list(eye)] for eye in EYES], dim=1)
    return points.mean(2), points.amax(2) - points.amin(2)


def pupils_from_gaze(landmarks: Tensor, gaze: Tensor) -> Tensor:
    """Place both pupils for a gaze.

    x = c_x - w/2 sin(yaw) cos(pitch), y = c_y - h/2 sin(pitch), with centre c, width w and height h of the eye box.
    Source: Eq. 9; checked to 1e-4 px against the official code's output in tests/face/geometry/test_geometry_gaze.py.

    Args:
        landmarks: (B, 68, 2) px.
        gaze: (B, 2) pitch, yaw in radians.

    Returns:
        (B, 2, 2) px, the subject's right eye first.
    """
    centres, sizes = eye_boxes(landmarks)
    pitch, yaw = gaze.unbind(-1)
    offset = torch.stack([yaw.sin() * pitch.cos(), pitch.sin()], dim=-1)
    return centres - sizes / 2 * offset[:, None]


def gaze_from_pupils(landmarks: Tensor, pupils: Tensor) -> Tensor:
    """Gaze that puts the pupils where they were seen: the inverse of `pupils_from_gaze`, averaged over both eyes.

    An eye weighs less the more it is closed; angles are clamped to 60 degrees.

    Args:
        landmarks: (B, 68, 2) px.
        pupils: (B, 2, 2) px, the subject's right eye first.

    Returns:
        (B, 2) pitch, yaw in radians.
    """
    centres, sizes = eye_boxes(landmarks)
    width = sizes[..., 0].clamp(min=1e-3)
    openness = sizes[..., 1] / width
    height = torch.maximum(sizes[..., 1], MIN_HEIGHT_PER_WIDTH * width)
    offset = (centres - pupils) / torch.stack([width, height], dim=-1) * 2
    weight = (openness / OPEN_HEIGHT_PER_WIDTH).clamp(0, 1).square() + CLOSED_WEIGHT
    mean_offset = (weight[..., None] * offset).sum(1) / weight.sum(1, keepdim=True)
    limit = math.sin(MAX_GAZE_RAD)
    pitch = mean_offset[:, 1].clamp(-limit, limit).asin()
    yaw = (mean_offset[:, 0] / pitch.cos()).clamp(-limit, limit).asin()
    return torch.stack([pitch, yaw], dim=-1)
