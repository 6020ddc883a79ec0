"""Which pixels OpenCV 4 sets for a line of thickness 2 and for a filled disc, without OpenCV.

The landmark map is an input of trained networks, so it has to match `cv2.polylines` (8-connected, no antialiasing) and
`cv2.circle` pixel by pixel; equality is tested against OpenCV itself (OpenCV 5 differs where a line leaves the canvas).
A thick segment between whole pixels is a rectangle in 16-bit fixed point, outline plus scan-line filling, with a small
round cap on each end.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

SHIFT = 16
ONE = 1 << SHIFT
HALF = ONE >> 1
# Half the thickness of 2, pixels.
HALF_WIDTH = 1
CAP = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))

Point = tuple[int, int]


def segment_pixels(start: Point, end: Point, size: int) -> np.ndarray:
    """Pixels of a segment of thickness 2 on a square canvas of `size`.

    Returns:
        (N, 2) int x, y; some may lie outside the canvas.
    """
    low, high = HALF_WIDTH, size - 1 - HALF_WIDTH
    if all(low <= value <= high for value in (*start, *end)):
        return _stamp(end[0] - start[0], end[1] - start[1]) + np.array(start)
    return _draw(start, end, size)


@lru_cache(maxsize=32)
def disc_offsets(radius: int) -> np.ndarray:
    """(N, 2) int x, y offsets of a filled disc: the midpoint circle, filled row by row."""
    pixels = set()
    x, y, error = radius, 0, 0
    while x >= y:
        for row, reach in ((y, x), (x, y)):
            pixels.update((column, side * row) for column in range(-reach, reach + 1) for side in (-1, 1))
        y += 1
        error += 2 * y - 1
        if error > 0:
            error -= 2 * x - 1
            x -= 1
    return _as_array(pixels)


@lru_cache(maxsize=1 << 15)
def _stamp(dx: int, dy: int) -> np.ndarray:
    """Offsets from the start of a segment that lies wholly inside the canvas; depend on its direction only."""
    return _draw((0, 0), (dx, dy), None)


def _draw(start: Point, end: Point, size: int | None) -> np.ndarray:
    """Pixels of a segment; `size` is that of the canvas which clips the outline, None if nothing is clipped."""
    pixels = {(x + cap_x, y + cap_y) for x, y in (start, end) for cap_x, cap_y in CAP}
    if start != end:
        corners = _rectangle(start, end)
        for index in range(4):
            pixels |= _outline(corners[index - 1], corners[index], size)
        pixels |= _interior(corners, size)
    return _as_array(pixels)


def _as_array(pixels: set[Point]) -> np.ndarray:
    return np.array(sorted(pixels), dtype=np.int64).reshape(-1, 2)


def _rectangle(start: Point, end: Point) -> list[Point]:
    """Fixed-point corners of the segment widened to both sides."""
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    scale = HALF_WIDTH * ONE / math.sqrt(along_x * along_x + along_y * along_y)
    side_x, side_y = round(along_y * scale), round(-along_x * scale)
    (x0, y0), (x1, y1) = ((x << SHIFT, y << SHIFT) for x, y in (start, end))
    return [
        (x0 + side_x, y0 + side_y),
        (x0 - side_x, y0 - side_y),
        (x1 - side_x, y1 - side_y),
        (x1 + side_x, y1 + side_y),
    ]


def _outline(start: Point, end: Point, size: int | None) -> set[Point]:
    """Pixels of a fixed-point line of width 1: one a step along its longer axis."""
    if size is not None:
        clipped = _clip(start, end, (size << SHIFT) - 1)
        if clipped is None:
            return set()
        start, end = clipped
    major = 0 if abs(end[0] - start[0]) > abs(end[1] - start[1]) else 1
    if end[major] < start[major]:
        start, end = end, start
    minor = 1 - major
    length = end[major] - start[major]
    slope = _divide_toward_zero((end[minor] - start[minor]) * ONE, length | 1)
    # The last point is set by itself: the accumulated slope may miss it.
    pixels = {((end[0] + HALF) >> SHIFT, (end[1] + HALF) >> SHIFT)}
    position, across = (start[major] + HALF) >> SHIFT, start[minor] + HALF
    for step in range((length >> SHIFT) + 1):
        pixel = (position + step, (across + step * slope) >> SHIFT)
        pixels.add(pixel if major == 0 else (pixel[1], pixel[0]))
    return pixels


def _interior(corners: list[Point], size: int | None) -> set[Point]:
    """Pixels between the left and right edges of the rectangle, row by row; the last row belongs to the outline."""
    first = min(range(4), key=lambda index: corners[index][1])
    chains = [_chain([corners[(first + turn * step) % 4] for step in range(4)], size) for turn in (1, -1)]
    pixels = set()
    for row, x in chains[0].items():
        left, right = sorted((x, chains[1][row]))
        left, right = (left + HALF) >> SHIFT, (right + HALF) >> SHIFT
        if size is not None:
            left, right = max(left, 0), min(right, size - 1)
        pixels.update((column, row) for column in range(left, right + 1))
    return pixels


def _chain(corners: list[Point], size: int | None) -> dict[int, int]:
    """Fixed-point x at each row, walking down the edges from the topmost corner (the first) to the lowest."""
    last = max((y + HALF) >> SHIFT for _, y in corners)
    x, row = corners[0][0], (corners[0][1] + HALF) >> SHIFT
    positions = {}
    for next_x, next_y in corners[1:]:
        next_row = (next_y + HALF) >> SHIFT
        if next_row > row:
            height = next_row - row
            slope = _divide_toward_zero(2 * (next_x - x) + height, 2 * height)
            low, high = (row, next_row) if size is None else (max(row, 0), min(next_row, size))
            positions.update((y, x + (y - row) * slope) for y in range(low, high))
            row = next_row
        x = next_x
        if row == last:
            break
    return positions


def _clip(start: Point, end: Point, limit: int) -> tuple[Point, Point] | None:
    """Cut a fixed-point line to 0..limit on both axes, y first; None if nothing is left."""
    points = [list(start), list(end)]
    for axis in (1, 0):
        other = 1 - axis
        # Both ends beyond one border: checked anew for x once y has been cut.
        if any(_side(points[0][k], limit) * _side(points[1][k], limit) > 0 for k in (axis, 0)):
            return None
        sides = [_side(point[axis], limit) for point in points]
        for point, side in zip(points, sides, strict=True):
            if side:
                edge = limit if side > 0 else 0
                run, rise = points[1][other] - points[0][other], points[1][axis] - points[0][axis]
                point[other] += int(float(edge - point[axis]) * run / rise)
                point[axis] = edge
    (x0, y0), (x1, y1) = points
    return (x0, y0), (x1, y1)


def _side(value: int, limit: int) -> int:
    """-1 below 0, 1 above `limit`, else 0."""
    return (value > limit) - (value < 0)


def _divide_toward_zero(numerator: int, denominator: int) -> int:
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient
