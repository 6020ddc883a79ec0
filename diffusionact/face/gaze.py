"""Gaze angles and pupils: the paper's Eq. 9 and its inverse.

Gaze is (pitch, yaw) in radians; positive pitch looks up, positive yaw looks to the image's left. One pair of angles serves both
eyes. Pupils are (B, 2, 2) px, the subject's right eye (points 36-41) first.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)
MAX_SINE = math.sin(math.radians(60))
# A closed eye has no height to measure by: at least this share of the width is taken.
LEAST_OPENING = 0.2


def eye_boxes(landmarks: Tensor) -> tuple[Tensor, Tensor]:
    """Centres (B, 2, 2) and width and height (B, 2, 2) of both eyes' six points, the subject's right eye first."""
    eyes = torch.stack([landmarks[:, RIGHT_EYE], landmarks[:, LEFT_EYE]], dim=1)  # (B, 2, 6, 2)
    return eyes.mean(dim=2), eyes.amax(dim=2) - eyes.amin(dim=2)


def pupils_from_gaze(landmarks: Tensor, gaze: Tensor) -> Tensor:
    """Place the pupils: x = c_x - w/2 sin(yaw) cos(pitch), y = c_y - h/2 sin(pitch).

    Source: paper, Eq. 9, and the official code.

    Args:
        landmarks: (B, 68, 2) px.
        gaze: (B, 2) pitch, yaw in radians.

    Returns:
        (B, 2, 2) px.
    """
    centres, sizes = eye_boxes(landmarks)
    pitch, yaw = gaze.unbind(dim=1)
    direction = torch.stack([torch.sin(yaw) * torch.cos(pitch), torch.sin(pitch)], dim=1)
    return centres - sizes / 2 * direction[:, None]


def gaze_from_pupils(landmarks: Tensor, pupils: Tensor) -> Tensor:
    """Invert `pupils_from_gaze`, averaged over both eyes by their opening and limited to 60 degrees.

    Args:
        landmarks: (B, 68, 2) px.
        pupils: (B, 2, 2) px.

    Returns:
        (B, 2) pitch, yaw in radians.
    """
    centres, sizes = eye_boxes(landmarks)
    width, height = sizes.unbind(dim=2)
    half = torch.stack([width, torch.maximum(height, LEAST_OPENING * width)], dim=2).clamp_min(1e-6) / 2
    weights = height + 1e-3 * width + 1e-6
    offsets = ((centres - pupils) / half * weights[..., None]).sum(dim=1) / weights.sum(dim=1, keepdim=True)
    offsets = offsets.clamp(-MAX_SINE, MAX_SINE)
    pitch = torch.asin(offsets[:, 1])
    yaw = torch.asin((offsets[:, 0] / torch.cos(pitch)).clamp(-MAX_SINE, MAX_SINE))
    return torch.stack([pitch, yaw], dim=1)
