"""What is drawn from the landmarks of a frame: its landmark map, and the regions of the pixel weights."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw

from diffusionact.data.shards import hull_labels
from diffusionact.face.pose.landmark_map import landmark_map_at
from diffusionact.images import model_to_uint8

REGIONS = ("background", "person", "face", "eyes_and_mouth")  # values 0..3 of `region`
DETAIL_PARTS = (range(36, 42), range(42, 48), range(48, 60))  # iBUG-68: eyes and outer lips


def landmark_map_pixels(landmarks: np.ndarray, pupils: np.ndarray, size: int) -> np.ndarray:
    """(size, size, 3) uint8 landmark map of landmarks (68, 2) and pupils (2, 2) px."""
    drawn = landmark_map_at(torch.from_numpy(landmarks)[None], torch.from_numpy(pupils)[None], size)
    return model_to_uint8(drawn)[0].numpy()


def draw_regions(labels: np.ndarray | None, landmarks: np.ndarray, size: int) -> np.ndarray:
    """(size, size) uint8, an index into `REGIONS`: the labels, with eyes and mouth filled in from the landmarks.

    The outline is drawn with some width, so that closed eyes and lips keep an area.

    Args:
        labels: (size, size) uint8 in 0..2, as in the shards; None takes those of the landmarks' hull.
        landmarks: (68, 2) px.
        size: side of the image, pixels.
    """
    image = Image.fromarray(hull_labels(landmarks, size) if labels is None else labels.clip(0, 2))
    canvas = ImageDraw.Draw(image)
    width = max(1, round(size / 32))
    for part in DETAIL_PARTS:
        points = [tuple(point) for point in landmarks[list(part)].tolist()]
        canvas.polygon(points, fill=3)
        canvas.line([*points, points[0]], fill=3, width=width, joint="curve")
    return np.asarray(image)
