"""What becomes of frames in `diffusionact reenact`: their size, panels side by side, or the whole photo."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from .. import images
from ..checks import check_in_range
from ..face.geometry.alignment import cut_crop
from ..face.paste_back import paste_back, shrunk_source
from ..generation.photo_detail import has_warp
from ..generation.whole_photo import WholePhoto
from ..pipelines import DiffusionActPipeline, ReenactedFrame, SizedOutput
from ..pipelines.full_resolution import SOURCE_SIZE, check_output_size
from ..types import SourceCodes
from ..video import FrameSource
from .reenactment_report import ReenactmentReport

MIN_PANEL_SIZE = 256
DEFAULT_FEATHER = 0.1
# Longer videos are beyond what players decode, and the encoder takes gigabytes; images have no such limit.
MAX_VIDEO_SIDE = 4096
# Of a chunk of whole photos together: a dozen bytes for each, several times over.
MAX_CHUNK_PIXELS = 32_000_000

logger = logging.getLogger(__name__)


class OutputFrames:
    """Finishes the frames of one source.

    Args:
        options: of the command, checked by `check_output_options`.
        pipeline: encoded the source.
        source: its codes.
        photo: uint8 (H, W, 3); None for a saved source.

    Attributes:
        pipeline: to stream from.
        source: as given.

    Raises:
        ValueError: if the options do not fit this source or model.
    """

    def __init__(
        self, options: argparse.Namespace, pipeline: DiffusionActPipeline, source: SourceCodes, photo: Tensor | None
    ):
        if options.paste_back and options.output.suffix.lower() not in ("", ".png"):
            photo, source = _fitting_a_video(photo, source)
        self.pipeline, self.source = pipeline, source
        self._options, self._photo = options, photo
        self._sized: SizedOutput | None = None
        self._whole: WholePhoto | None = None
        size = output_size(options.output_size)
        if options.paste_back and has_warp(source) and options.feather is None and not options.match_colour:
            if size not in (None, SOURCE_SIZE):
                raise ValueError(
                    f"Expected --output-size {SOURCE_SIZE} or none beside --paste-back with the model photo, which "
                    f"moves the whole photo at its own resolution, received {size}. Leave it out, or resize the photo."
                )
            self._whole = WholePhoto(pipeline.engine, source, photo)
            self.pipeline = pipeline.with_engine(self._whole.engine)
        elif size is not None:
            self._sized = SizedOutput(pipeline, source, photo, size)
            self.pipeline = self._sized.pipeline

    def chunk_size(self, wanted: int) -> int:
        """Frames to render together: as many as wanted, fewer where whole photos are large."""
        if self._whole is None:
            return wanted
        height, width = self._photo.shape[:2]
        return max(1, min(wanted, MAX_CHUNK_PIXELS // (height * width)))

    def finish(
        self, stream: Iterator[ReenactedFrame], driving: FrameSource, report: ReenactmentReport | None
    ) -> Iterator[Tensor]:
        """Yield uint8 (H, W, 3) output frames; a report looks at the faces."""
        panels = iter(driving) if self._options.side_by_side else None
        for frame in stream:
            face = self._face(frame)
            if report is not None:
                report.add(face)
            yield self._composed(frame, face, None if panels is None else next(panels))

    def _face(self, frame: ReenactedFrame) -> ReenactedFrame:
        """A frame of the pipeline as the aligned face."""
        if self._whole is not None:
            # Cut out for a report alone.
            return replace(frame, image=self._whole.aligned(frame.image)) if self._options.report else frame
        return frame if self._sized is None else self._sized.finish(frame)

    def _composed(self, frame: ReenactedFrame, face: ReenactedFrame, driving: Tensor | None) -> Tensor:
        if self._whole is not None:
            return self._whole.finish(frame.image)
        if self._options.paste_back:
            feather = DEFAULT_FEATHER if self._options.feather is None else self._options.feather
            full, crop = self._photo.to(face.image.device)[None], self.source.crop
            return paste_back(full, face.image, crop, feather, self._options.match_colour)[0]
        reenacted = images.model_to_uint8(face.image)[0]
        if driving is None:
            return reenacted
        size = max(MIN_PANEL_SIZE, reenacted.shape[0])
        panels = (self._source_panel(size), driving, reenacted)
        return torch.cat([images.middle_square(panel, size) for panel in panels], dim=1)

    def _source_panel(self, size: int) -> Tensor:
        """The aligned source; as sharp as the photo is, where the output is larger than the model's image."""
        if self._sized is None or self._photo is None:
            return images.model_to_uint8(self.source.image)[0]
        return cut_crop(self._photo, self.source.crop, size)


def _fitting_a_video(photo: Tensor, source: SourceCodes) -> tuple[Tensor, SourceCodes]:
    """Shrink a photo to what a video can have."""
    small, crop = shrunk_source(photo, source.crop, MAX_VIDEO_SIDE)
    if small is photo:
        return photo, source
    logger.warning(
        "The photo of %d x %d px is shrunk to %d x %d px, as videos can be; for its own size, choose an output without "
        "suffix: a folder of images",
        *(photo.shape[1], photo.shape[0], small.shape[1], small.shape[0]),
    )
    return small, replace(source, crop=crop)


def output_size(word: str | None) -> str | int | None:
    """What --output-size says: None, "source", or a side in pixels; what is neither stays a word."""
    return int(word) if word is not None and word.isdecimal() else word


def check_output_options(options: argparse.Namespace) -> None:
    """See that the options go together, before any work is done.

    Raises:
        ValueError: if they do not.
    """
    if options.feather is not None:
        check_in_range("--feather", options.feather, 0.0, 0.5)
    if options.output_size is not None:
        check_output_size(output_size(options.output_size))
    if options.paste_back and options.side_by_side:
        raise ValueError(
            "Expected --paste-back or --side-by-side, received both. Leave one out: they make different images."
        )
    if options.paste_back and options.source.suffix == ".safetensors":
        raise ValueError(
            f"Expected a source image for --paste-back, received the saved source {options.source}. "
            "Give the image itself."
        )
