"""The landmark map: landmarks and pupils drawn as coloured lines and discs, the reenactment encoder's condition.

Lines, colours and order are those of the official code, pixel by pixel. The background is level 1, not 0. Coordinates
are truncated to whole pixels, integer k being pixel k.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ... import images
from ..geometry.ibug68 import (
    CONTOUR,
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    NOSE_BASE,
    NOSE_BRIDGE,
    NOSTRILS,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
)
from ..geometry.resize import resize_points
from .line_pixels import disc_offsets, segment_pixels

Colour = tuple[int, int, int]

BACKGROUND = 1
# (points in drawing order, closed, RGB); later parts cover earlier ones. Source: the official inference code.
PARTS: tuple[tuple[tuple[int, ...], bool, Colour], ...] = (
    (CONTOUR, False, (255, 255, 255)),
    (RIGHT_BROW, False, (255, 0, 0)),
    (LEFT_BROW, False, (0, 255, 0)),
    ((*NOSE_BRIDGE, NOSE_BASE), False, (0, 0, 255)),
    (NOSTRILS, False, (0, 0, 255)),
    (RIGHT_EYE, True, (255, 0, 255)),
    (LEFT_EYE, True, (0, 255, 255)),
    (OUTER_LIPS, True, (255, 255, 0)),
    (INNER_LIPS, True, (255, 255, 0)),
)
PUPIL_RADIUS = 5
# The subject's right pupil first.
PUPIL_COLOURS: tuple[Colour, Colour] = ((255, 165, 0), (128, 0, 128))
# The canvas that official weights know; landmark maps of other sizes are made from it.
CANVAS = 256
# Farther out nothing reaches the image; keeps the whole-pixel arithmetic in range.
MAX_PX = 2**20


def draw_landmark_map(landmarks: Tensor, pupils: Tensor | None, size: int) -> Tensor:
    """Draw landmark maps at full resolution.

    Args:
        landmarks: (B, 68, 2) float px of the map; may lie outside.
        pupils: (B, 2, 2) px, the subject's right eye first; None draws none.
        size: side of the map, pixels.

    Returns:
        (B, 3, size, size) float32 in [-1, 1], on the CPU.
    """
    return images.uint8_to_model(torch.from_numpy(_draw_faces(landmarks, pupils, size)))


def landmark_map_at(landmarks: Tensor, pupils: Tensor | None, size: int, canvas: int = CANVAS) -> Tensor:
    """Draw landmark maps for smaller models: on a canvas, then averaged down, so that thin lines stay in place.

    At `size == canvas` this is `draw_landmark_map`. Pixel centres are whole numbers at both sizes.

    Args:
        landmarks: (B, 68, 2) float px of an image of `size`.
        pupils: (B, 2, 2) px of the same, the subject's right eye first; None draws none.
        size: side of the resulting map, pixels; divides `canvas`.
        canvas: side of the canvas, pixels.

    Returns:
        (B, 3, size, size) float32 in [-1, 1], on the CPU.

    Raises:
        ValueError: if `size` does not divide `canvas`.
    """
    if canvas % size:
        raise ValueError(
            f"Expected a landmark map size that divides the canvas of {canvas} px, received {size} px; choose a power "
            f"of two up to {canvas}, or another canvas."
        )
    if size == canvas:
        return draw_landmark_map(landmarks, pupils, size)
    factor = canvas // size
    scaled = [None if points is None else resize_points(points, size, canvas) for points in (landmarks, pupils)]
    drawn = _draw_faces(scaled[0], scaled[1], canvas)
    rows = drawn.reshape(len(drawn), size, factor, canvas * 3).sum(2, dtype=np.uint32)
    levels = rows.reshape(len(drawn), size, size, factor, 3).sum(3)
    return images.unit_to_model(torch.from_numpy(levels.astype(np.float32) / (255 * factor * factor)))


def _whole_pixels(points: Tensor) -> np.ndarray:
    """Truncate toward zero, as the official code does."""
    return points.detach().cpu().clamp(-MAX_PX, MAX_PX).numpy().astype(np.int64)


def _draw_faces(landmarks: Tensor, pupils: Tensor | None, size: int) -> np.ndarray:
    """Canvases (B, size, size, 3) uint8 with one face each."""
    points = _whole_pixels(landmarks)
    centres = None if pupils is None else _whole_pixels(pupils)
    canvas = np.full((len(points), size, size, 3), BACKGROUND, dtype=np.uint8)
    for row in range(len(points)):
        _draw_face(canvas[row], points[row], None if centres is None else centres[row])
    return canvas


def _draw_face(canvas: np.ndarray, points: np.ndarray, pupils: np.ndarray | None) -> None:
    """Draw one face, points (68, 2) and pupils (2, 2) whole px, on a canvas (size, size, 3) uint8, in place."""
    size = len(canvas)
    positions = [tuple(point) for point in points.tolist()]
    for indices, closed, colour in PARTS:
        ends = indices[1:] + indices[:1] if closed else indices[1:]
        segments = [segment_pixels(positions[a], positions[b], size) for a, b in zip(indices, ends, strict=False)]
        _paint(canvas, np.concatenate(segments), colour)
    if pupils is not None:
        for pupil, colour in zip(pupils, PUPIL_COLOURS, strict=True):
            _paint(canvas, disc_offsets(PUPIL_RADIUS) + pupil, colour)


def _paint(canvas: np.ndarray, pixels: np.ndarray, colour: Colour) -> None:
    inside = pixels[((pixels >= 0) & (pixels < len(canvas))).all(1)]
    canvas[inside[:, 1], inside[:, 0]] = colour
