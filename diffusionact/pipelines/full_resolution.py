"""Output beyond the engine's own size: faces at a wanted side or at the photo's resolution, and whole photos.

source photo, engine `warp`    -> the photo is warped at that size
source photo, any other engine -> its frame enlarged, with the fine detail of the photo warped into the same pose
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .. import images
from ..checks import check_frames
from ..face.geometry.alignment import compose_transforms, invert_transform
from ..face.geometry.resize import resize_crop, resize_transform
from ..generation import Engine
from ..generation.photo_detail import PhotoDetail, check_open_face_model, has_warp
from ..generation.warp import WarpEngine, warp_source
from ..types import SourceCodes
from ..warping import photo_region
from ..warping.canvas import MAX_CROP_SIDE
from ..warping.placement import ALIGNED_SIZE
from ..warping.sampling import apply, mix, pixel_centres, sample
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
    smallest = _smallest_side(pipeline.engine)
    if size != SOURCE_SIZE and size < smallest:
        raise ValueError(
            f"Expected an output size of at least {smallest} px, the side of the model's own frames, received {size}. "
            "Choose a larger one, or leave it out."
        )


def output_side(engine: Engine, source: SourceCodes, size: str | int) -> int:
    """Side of the frames that a size of the output means for a source.

    "source" is the side of the face's crop in the photo, even, at most 1024 px, of which the photo warp keeps no more;
    but not below the frames of an engine that makes its own.
    """
    if size != SOURCE_SIZE:
        return size
    side = source.crop.size / float(torch.linalg.det(source.crop.matrix[0, :, :2]).abs().sqrt())
    return max(_smallest_side(engine), min(round(side / 2) * 2, MAX_CROP_SIDE))


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
        self.side = output_side(pipeline.engine, source, size)
        if isinstance(pipeline.engine, WarpEngine):
            self.pipeline = pipeline.with_engine(pipeline.engine.at_output(self.side))
        else:
            self._detail = PhotoDetail(source, photo, self.side, pipeline.device)

    def finish(self, frame: ReenactedFrame) -> ReenactedFrame:
        """A frame of `pipeline` at the wanted side."""
        return frame if self._detail is None else replace(frame, image=self._detail.add(frame.image, frame.pose))


class WholePhoto:
    """The whole photo moves: head, hair and neck in their place, at the photo's resolution, nothing to be blended.

    What moves lies within one region of the photo; only this is rendered.

    Args:
        pipeline: of the engine `warp`.
        source: its source. A `crop` for the same photo at another size, as `photo` is, does as well.
        photo: uint8 (H, W, 3).

    Attributes:
        pipeline: to stream from; its frames show that region, and belong to `finish` and `aligned`.

    Raises:
        ValueError: if the source is another engine's, or the photo another one.
    """

    def __init__(self, pipeline: DiffusionActPipeline, source: SourceCodes, photo: Tensor):
        check_frames("photo", photo[None])
        if not isinstance(pipeline.engine, WarpEngine) or not has_warp(source):
            raise ValueError(
                "Expected a source of the engine 'warp' (the model photo) to move the whole photo, received one of the "
                f"engine {pipeline.engine.name!r}. Paste its frames back, or choose the model photo."
            )
        check_open_face_model(source.coefficients.face_model)
        engine = pipeline.engine
        aligned = resize_crop(source.crop, ALIGNED_SIZE).matrix[0].to(engine.device)
        region = photo_region(warp_source(source).to(engine.device), tuple(photo.shape[:2]), aligned)
        self.pipeline = pipeline.with_engine(engine.at_output((region.height, region.width), region.to_output))
        self._photo, self._region, self._size = photo.cpu(), region, pipeline.sample_size
        box = (slice(region.top, region.top + region.height), slice(region.left, region.left + region.width))
        self._box, self._still = box, images.uint8_to_model(self._photo[box][None]).to(engine.device)
        self._crop_grid = self._grid_of_crop()

    def finish(self, frame: ReenactedFrame) -> Tensor:
        """The whole photo of a frame of `pipeline`, uint8 (H, W, 3) on the CPU."""
        finished = self._photo.clone()
        finished[self._box] = images.model_to_uint8(self._laid(frame))[0].cpu()
        return finished

    def aligned(self, frame: ReenactedFrame) -> ReenactedFrame:
        """A frame of `pipeline` as the aligned crop of the model's size: what the face alone would be."""
        return replace(frame, image=sample(self._laid(frame)[0], self._crop_grid)[None])

    def _laid(self, frame: ReenactedFrame) -> Tensor:
        """(1, 3, height, width) of the region."""
        return mix(self._still, frame.image, self._region.share)

    def _grid_of_crop(self) -> Tensor:
        """(S, S, 2) grid coordinates of the region for every pixel of the aligned crop."""
        region, size = self._region, self._size
        to_aligned = invert_transform(resize_transform(ALIGNED_SIZE, size).to(region.to_output))
        to_region = compose_transforms(region.to_output[None], to_aligned)[0]
        places = apply(to_region, pixel_centres(size, size, to_region.device))
        return (places + 0.5) * places.new_tensor([2.0 / region.width, 2.0 / region.height]) - 1.0
