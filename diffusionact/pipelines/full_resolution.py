"""Output beyond the engine's own size: faces at a wanted side, or at the photo's resolution.

source photo, engine `warp`    -> the photo is warped at that size
source photo, any other engine -> its frame enlarged, with the fine detail of the photo warped into the same pose
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..generation import Engine
from ..generation.photo_detail import PhotoDetail, check_open_face_model
from ..generation.warp import WarpEngine
from ..types import SourceCodes
from ..warping.canvas import MAX_CROP_SIDE
from .reenactment import DiffusionActPipeline, ReenactedFrame

SOURCE_SIZE = "source"
# Beyond the second the photo warp has nothing more to show, and a frame takes seconds.
MIN_OUTPUT_SIDE, MAX_OUTPUT_SIDE = 64, 2048


def check_output_size(size: str | int) -> None:
    """Raise ValueError unless a size of the output is "source" or an even side within limits."""
    is_side = isinstance(size, int) and MIN_OUTPUT_SIDE <= size <= MAX_OUTPUT_SIDE and size % 2 == 0
    if size != SOURCE_SIZE and not is_side:
        raise ValueError(
            f"Expected an output size of {SOURCE_SIZE!r} (the face's own resolution in the photo) or an even number of "
            f"pixels from {MIN_OUTPUT_SIDE} to {MAX_OUTPUT_SIDE}, received {size!r}. Choose one of these."
        )


def check_pipeline(pipeline: DiffusionActPipeline, size: str | int) -> None:
    """Raise ValueError unless a pipeline can give this size, whatever the source; before any source is encoded."""
    check_output_size(size)
    check_open_face_model(pipeline.face_reader.face_model.name)
    if size != SOURCE_SIZE:
        _check_side(size, _smallest_side(pipeline.engine))


def output_side(source: SourceCodes, size: str | int, smallest: int = MIN_OUTPUT_SIDE) -> int:
    """Side of the frames that a size of the output means for a source.

    Args:
        source: of any engine.
        size: a side in pixels, or "source": the side of the face's crop in the photo, even, at most 1024 px, of which
            the photo warp keeps no more.
        smallest: side of the frames of an engine that makes its own.

    Raises:
        ValueError: if the size is none, or smaller than such frames.
    """
    check_output_size(size)
    if size != SOURCE_SIZE:
        _check_side(size, smallest)
        return size
    side = source.crop.size / float(torch.linalg.det(source.crop.matrix[0, :, :2]).abs().sqrt())
    return max(smallest, min(round(side / 2) * 2, MAX_CROP_SIDE))


def _check_side(side: int, smallest: int) -> None:
    if side < smallest:
        raise ValueError(
            f"Expected an output size of at least {smallest} px, the side of the model's own frames, received {side}. "
            "Choose a larger one, or leave it out."
        )


def _smallest_side(engine: Engine) -> int:
    return MIN_OUTPUT_SIDE if isinstance(engine, WarpEngine) else engine.sample_size


class SizedOutput:
    """Face frames of one source at a wanted side, whatever makes them.

    Args:
        pipeline: encoded the source.
        source: from `encode_source`, or a saved one of the engine `warp`.
        photo: uint8 (H, W, 3) that it was encoded from; None for a saved source.
        size: "source", or a side in pixels.

    Attributes:
        pipeline: to stream from.
        side: of the frames, pixels.

    Raises:
        ValueError: if the size is out of range, the source was read with another face model than the open one, or the
            photo is missing.
    """

    def __init__(self, pipeline: DiffusionActPipeline, source: SourceCodes, photo: Tensor | None, size: str | int):
        check_pipeline(pipeline, size)
        self.pipeline, self._detail = pipeline, None
        self.side = output_side(source, size, _smallest_side(pipeline.engine))
        if isinstance(pipeline.engine, WarpEngine):
            self.pipeline = pipeline.with_engine(pipeline.engine.at_output(self.side))
        else:
            self._detail = PhotoDetail(source, photo, self.side, pipeline.device)

    def finish(self, frame: ReenactedFrame) -> ReenactedFrame:
        """A frame of `pipeline` at the wanted side."""
        return frame if self._detail is None else replace(frame, image=self._detail.add(frame.image, frame.pose))
