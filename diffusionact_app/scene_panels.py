"""What jobs of whole scenes show: whole frames, shrunk where they are large, and these side by side with the driver."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from diffusionact.images import middle_square, model_to_uint8, resize, uint8_to_model
from diffusionact.pipelines.source_video import extended
from diffusionact.video import FrameSource

SIDE_WIDTH_PX = 1536  # of all panels together
WIDE_RATIO = 2.0  # width to height
JPEG_QUALITY = 90


def fitted(size: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """(height, width), shrunk to a longest side where they are larger, and even then."""
    scale = longest_px / max(size)
    if scale >= 1.0:
        return size
    return tuple(max(2, 2 * round(side * scale / 2)) for side in size)


def scaled(frame: Tensor, size: tuple[int, int]) -> Tensor:
    """A frame uint8 (H, W, 3) at another (height, width), on the CPU."""
    if tuple(frame.shape[:2]) == tuple(size):
        return frame.cpu()
    return model_to_uint8(resize(uint8_to_model(frame.cpu()[None]), size))[0]


def first_frame(clip: FrameSource, longest_px: int) -> Tensor:
    """The first frame of a clip, uint8 (H, W, 3), at the size at which jobs read it: faces have the same numbers."""
    return scaled(next(iter(clip)), fitted(clip.size, longest_px))


class ScenePanels:
    """Before | driver | after, all equally high; without a driver before | after, wide ones one above the other.

    Args:
        size: (height, width) of the whole frames.
        drivers: frames uint8 (H, W, 3) of what drives, whose middle square is shown; None where nothing does.
    """

    def __init__(self, size: tuple[int, int], drivers: Iterator[Tensor] | None = None):
        self._is_stacked = drivers is None and size[1] >= WIDE_RATIO * size[0]
        count = 1.5 if self._is_stacked else 2 if drivers is None else 3
        self._size = fitted(size, int(SIDE_WIDTH_PX / count))
        self._drivers = drivers

    def __call__(self, before: Tensor, after: Tensor) -> Tensor:
        """One frame's panels, uint8 (H, W, 3) on the CPU, of two whole frames; a driver's frames are taken in order."""
        panels = [scaled(before, self._size), scaled(after, self._size)]
        if self._drivers is not None:
            panels.insert(1, middle_square(next(self._drivers), self._size[0]))
        return torch.cat(panels, dim=0 if self._is_stacked else 1)


def played(frames: Iterable[Tensor], end: str, side: int = SIDE_WIDTH_PX // 3) -> Iterator[Tensor]:
    """Middle squares of a driver's frames as a job plays it; those that come again wait as JPEG, 50 kB each.

    Args:
        frames: uint8 (H, W, 3).
        end: what comes after the last one, one of `pipelines.source_video.ENDS`.
        side: of the squares, px.
    """
    packed = (_packed(middle_square(frame, side)) for frame in frames)
    return (_unpacked(each) for each in extended(packed, end))


def _packed(frame: Tensor) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame.numpy()).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _unpacked(data: bytes) -> Tensor:
    with Image.open(io.BytesIO(data)) as image:
        return torch.from_numpy(np.array(image))
