"""The curves of a motion as an image: what moves when, to look at before anything is rendered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from .channels import CHANNELS, GAZE, HEAD, PLACE

SIZE = (640, 360)  # width, height, px
MARGIN_PX, LEGEND_PX, TEXT_PX = 12, 14, 11
MAX_CURVES = 10
BACKGROUND, GRID, TEXT = "#17202a", "#33404d", "#dfe6ee"
COLOURS = (
    "#ff7f6e", "#5bc0ff", "#ffd166", "#7bd88f", "#c792ea", "#f78fb3", "#4dd0e1", "#ffa94d", "#b0bec5", "#9ccc65",
)  # fmt: skip
# The upper part shows degrees and percent, the lower part expressions.
ANGLES = frozenset((*HEAD, *GAZE, *PLACE))
MIN_RANGE = {True: 5.0, False: 0.25}


def draw_curves(frames: Iterable[Mapping[str, float]], frame_rate: float) -> Tensor:
    """Draw the channels that move most.

    Args:
        frames: values by channel, such as a `Timeline`.
        frame_rate: frames per second; a line stands for each second of a short motion.

    Returns:
        uint8 (360, 640, 3): head, gaze and place above, expressions below, each with its names.
    """
    rows = list(frames)
    names = sorted({name for row in rows for name in row}, key=list(CHANNELS).index)
    curves = {name: np.array([row.get(name, 0.0) for row in rows]) for name in names}
    image = Image.new("RGB", SIZE, BACKGROUND)
    half = SIZE[1] // 2
    for is_angle, top in ((True, 0), (False, half)):
        shown = {name: curve for name, curve in curves.items() if (name in ANGLES) == is_angle}
        _draw_panel(ImageDraw.Draw(image), _most_moved(shown), (top, top + half), frame_rate, MIN_RANGE[is_angle])
    return torch.from_numpy(np.asarray(image).copy())


def _most_moved(curves: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The curves that are worth showing, in their order."""
    moved = {name: float(np.ptp(curve)) / CHANNELS[name][1] for name, curve in curves.items()}
    kept = sorted((name for name in curves if moved[name] > 0), key=lambda name: -moved[name])[:MAX_CURVES]
    return {name: curve for name, curve in curves.items() if name in kept}


def _draw_panel(
    draw: ImageDraw.ImageDraw,
    curves: dict[str, np.ndarray],
    rows: tuple[int, int],
    frame_rate: float,
    least_range: float,
) -> None:
    left, right = MARGIN_PX, SIZE[0] - MARGIN_PX
    top, bottom = rows[0] + 2 * LEGEND_PX + MARGIN_PX, rows[1] - MARGIN_PX
    reach = max([least_range, *(float(np.abs(curve).max()) for curve in curves.values())])
    middle, height = (top + bottom) / 2, (bottom - top) / 2
    draw.line([(left, middle), (right, middle)], fill=GRID)
    count = max((len(curve) for curve in curves.values()), default=1)
    seconds = count / frame_rate
    for second in range(1, int(seconds) + 1 if seconds <= 60 else 0):
        x = left + (right - left) * second / seconds
        draw.line([(x, top), (x, bottom)], fill=GRID)
    x, y = left, rows[0] + MARGIN_PX // 2
    for (name, curve), colour in zip(curves.items(), COLOURS, strict=False):
        across = np.linspace(left, right, len(curve)) if len(curve) > 1 else np.array([left])
        draw.line(list(zip(across, middle - height * curve / reach, strict=True)), fill=colour, width=2)
        width = draw.textlength(name, font_size=TEXT_PX) + LEGEND_PX
        if x + width > right:
            x, y = left, y + LEGEND_PX
        draw.text((x, y), name, fill=colour, font_size=TEXT_PX)
        x += width
    draw.text((right - 60, bottom - TEXT_PX), f"±{reach:.2g}", fill=TEXT, font_size=TEXT_PX)
