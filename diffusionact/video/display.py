"""Decoded frames as a player shows them: upright, square pixels, one size, the colours of an ordinary display.

A frame is (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import torch
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream
from torch import Tensor

from .tone_mapping import HLG, PQ, tone_map

DISTINCT_MATRICES = {1, 4, 7, 9}  # H.273: BT.709, FCC, SMPTE 240M, BT.2020; all others are BT.601 or untagged
UNTAGGED = {0, 2}  # H.273: reserved, unspecified
MIN_HD_HEIGHT, MIN_HD_WIDTH = 720, 1280  # from here on players take untagged colours for BT.709
MAX_PIXEL_ASPECT = 8  # wider pixels are a damaged header


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to show an image: first the axes change places, then it is mirrored.

    Attributes:
        transposed: rows become columns.
        flip_x, flip_y: left and right, top and bottom change places afterwards.
    """

    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Turn an array (H, W, C); a view."""
        pixels = pixels.swapaxes(0, 1) if self.transposed else pixels
        return pixels[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


def orientation(frame: av.VideoFrame) -> Orientation:
    """The orientation that a frame's display matrix asks for.

    QuickTime's rule: x' = a x + c y, y' = b x + d y, with x right, y down; the matrix is stored as a b u c d v x y w.
    Angles between the quarter turns go to the nearest.
    """
    matrix = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    if matrix is None:
        return Orientation()
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, flip_x=c < 0, flip_y=b < 0)
    return Orientation(False, flip_x=a < 0, flip_y=d < 0)


def shown_size(frame: av.VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """(height, width) of a frame with square pixels, before it is turned; no pixel row or column is given up."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, MAX_PIXEL_ASPECT) <= aspect <= MAX_PIXEL_ASPECT:
        return frame.height, frame.width
    if aspect >= 1:
        return frame.height, round(frame.width * aspect)
    return round(frame.height / aspect), frame.width


class Display:
    """Shows the frames of one stream at the size of the first.

    Args:
        first: a decoded frame.
        stream: of the frame.
    """

    def __init__(self, first: av.VideoFrame, stream: VideoStream) -> None:
        self._stream = stream
        self._orientation = orientation(first)
        self._stored = (first.height, first.width)
        self._shown = shown_size(first, stream)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of shown frames."""
        height, width = self._shown
        return (width, height) if self._orientation.transposed else (height, width)

    def show(self, frame: av.VideoFrame) -> Tensor:
        """One frame; of another size than the first it is fitted into that, over black, with its aspect kept."""
        is_usual = (frame.height, frame.width) == self._stored
        pixels = self._rgb(frame, self._shown) if is_usual else self._fitted(frame)
        return torch.from_numpy(np.ascontiguousarray(self._orientation.apply(pixels)))

    def _fitted(self, frame: av.VideoFrame) -> np.ndarray:
        height, width = shown_size(frame, self._stream)
        full_height, full_width = self._shown
        scale = min(full_height / height, full_width / width)
        height, width = (max(1, round(side * scale)) for side in (height, width))
        top, left = (full_height - height) // 2, (full_width - width) // 2
        pixels = np.zeros((full_height, full_width, 3), np.uint8)
        pixels[top : top + height, left : left + width] = self._rgb(frame, (height, width))
        return pixels

    def _rgb(self, frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
        options = {**_colour_tags(frame), "height": size[0], "width": size[1]}
        if size != (frame.height, frame.width):
            options["interpolation"] = Interpolation.BICUBIC
        transfer = getattr(frame, "color_trc", self._stream.codec_context.color_trc)
        if transfer in (PQ, HLG):
            return tone_map(frame.to_ndarray(format="rgb48le", **options), transfer)
        return frame.to_ndarray(format="rgb24", **options)


def _colour_tags(frame: av.VideoFrame) -> dict[str, int]:
    """Conversion arguments that spell out a frame's own tags; PyAV before 17 takes any matrix for BT.601 otherwise."""
    if not frame.format.name.startswith("yuv"):
        return {}
    matrix = frame.colorspace if frame.colorspace in DISTINCT_MATRICES else Colorspace.ITU601
    if frame.colorspace in UNTAGGED and (frame.height >= MIN_HD_HEIGHT or frame.width >= MIN_HD_WIDTH):
        matrix = Colorspace.ITU709
    is_full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    source_range = ColorRange.JPEG if is_full else ColorRange.MPEG
    ranges = {"src_color_range": source_range, "dst_color_range": ColorRange.JPEG}
    return {"src_colorspace": matrix, "dst_colorspace": matrix, **ranges}
