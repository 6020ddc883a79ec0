"""What becomes of frames in `diffusionact reenact`: their size, panels side by side, or the whole photo."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .. import images
from ..checks import check_in_range
from ..face.geometry.alignment import cut_crop
from ..face.paste_back import paste_back, shrunk_source
from ..generation import Sampling
from ..generation.warp import WarpEngine
from ..generation.whole_photo import WholePhoto, moves_whole
from ..pipelines import DiffusionActPipeline, ReenactedFrame, SizedOutput
from ..pipelines.full_resolution import SOURCE_SIZE, check_output_size
from ..types import SourceCodes
from ..video import FrameSource

if TYPE_CHECKING:
    from .reenactment_report import ReenactmentReport

MIN_PANEL_SIZE = 256
DEFAULT_FEATHER = 0.1
KEPT, TRANSPARENT = "keep", "transparent"
BACKGROUNDS = (KEPT, TRANSPARENT)
OPAQUE_SUFFIXES = (".mp4", ".mov", ".mkv", ".png", "")
# What holds alpha: ProRes 4444, VP9, animated WebP, a PNG file or a folder of them.
TRANSPARENT_SUFFIXES = (".mov", ".webm", ".webp", ".png", "")
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
        alpha: uint8 (H, W) of a photo with transparent parts; None where it is opaque, or that does not count.

    Attributes:
        pipeline: to stream from.
        source: as given.

    Raises:
        ValueError: if the options do not fit this source or model.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        pipeline: DiffusionActPipeline,
        source: SourceCodes,
        photo: Tensor | None,
        alpha: Tensor | None = None,
    ):
        if options.paste_back and options.output.suffix.lower() not in ("", ".png"):
            photo, alpha, source = _fitting_a_video(photo, alpha, source)
        self.pipeline, self.source = pipeline, source
        self._options, self._photo, self._alpha = options, photo, alpha
        self._has_alpha = wants_alpha(options)
        self._sized: SizedOutput | None = None
        self._whole: WholePhoto | None = None
        size = output_size(options.output_size)
        pastes_alone = options.paste_back and options.feather is None and not options.match_colour
        if pastes_alone and moves_whole(pipeline.engine, source):
            if size not in (None, SOURCE_SIZE):
                raise ValueError(
                    f"Expected --output-size {SOURCE_SIZE} or none beside --paste-back with the model photo, which "
                    f"moves the whole photo at its own resolution, received {size}. Leave it out, or resize the photo."
                )
            self._whole = WholePhoto(pipeline.engine, source, photo, is_transparent(options), alpha)
            self.pipeline = pipeline.with_engine(self._whole.engine)
        elif size is not None:
            self._sized = SizedOutput(pipeline, source, photo, size)
            self.pipeline = self._sized.pipeline
        self._cutter = self._make_cutter()

    def _make_cutter(self) -> WholePhoto | WarpEngine | None:
        """What cuts out the matte beside frames that keep their background; frames without one get theirs here."""
        engine = self.pipeline.engine
        if is_transparent(self._options):
            self.pipeline = self.pipeline if self._whole else self.pipeline.with_engine(engine.transparent())
            return None
        if not self._has_alpha:
            return None
        return WholePhoto(engine, self.source, self._photo, True) if self._whole else engine.transparent()

    def chunk_size(self, wanted: int) -> int:
        """Frames to render together: as many as wanted, fewer where whole photos are large."""
        if self._whole is None:
            return wanted
        height, width = self._photo.shape[:2]
        return max(1, min(wanted, MAX_CHUNK_PIXELS // (height * width)))

    def finish(
        self, stream: Iterator[ReenactedFrame], driving: FrameSource | None, report: ReenactmentReport | None
    ) -> Iterator[Tensor]:
        """Yield uint8 (H, W, 3) output frames, (H, W, 4) with alpha or a matte; a report looks at the faces.

        Panels side by side alone need `driving`.
        """
        panels = iter(driving) if self._options.side_by_side else None
        for frame in stream:
            face = self._face(frame)
            if report is not None:
                report.add(replace(face, image=face.image[:, :3]))
            composed = self._composed(frame, face, None if panels is None else next(panels))
            yield composed if self._cutter is None else self._with_matte(composed, frame)

    def _with_matte(self, composed: Tensor, frame: ReenactedFrame) -> Tensor:
        """An opaque frame with the person's matte as its fourth channel."""
        if isinstance(self._cutter, WholePhoto):
            matte = self._cutter.finish(self._cutter.render(frame.pose))
        else:
            conditioning = self.pipeline.with_engine(self._cutter).reenact(self.source, frame.pose)
            matte = images.model_to_uint8(self._cutter.render(self.source, conditioning, Sampling()))[0]
        return torch.cat([composed.cpu(), matte[..., 3:].cpu()], dim=-1)

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


def wants_alpha(options: argparse.Namespace) -> bool:
    """Whether frames need a fourth channel, for the output or for a matte beside it."""
    return is_transparent(options) or options.matte is not None


def is_transparent(options: argparse.Namespace) -> bool:
    """Whether the output has alpha."""
    return options.background == TRANSPARENT


def _fitting_a_video(
    photo: Tensor, alpha: Tensor | None, source: SourceCodes
) -> tuple[Tensor, Tensor | None, SourceCodes]:
    """Shrink a photo to what a video can have."""
    small, crop = shrunk_source(photo, source.crop, MAX_VIDEO_SIDE)
    if small is photo:
        return photo, alpha, source
    if alpha is not None:
        alpha = shrunk_source(alpha[..., None].expand_as(photo), source.crop, MAX_VIDEO_SIDE)[0][..., 0]
    logger.warning(
        "The photo of %d x %d px is shrunk to %d x %d px, as videos can be; for its own size, choose an output without "
        "suffix: a folder of images",
        *(photo.shape[1], photo.shape[0], small.shape[1], small.shape[0]),
    )
    return small, alpha, replace(source, crop=crop)


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
    if wants_alpha(options) and (options.side_by_side or options.exact or options.match_colour or options.feather):
        raise ValueError(
            "Expected --background transparent or --matte without --side-by-side, --exact, --feather and "
            "--match-colour, received one of them. Leave it out."
        )
    if options.paste_back and options.source.suffix == ".safetensors":
        raise ValueError(
            f"Expected a source image for --paste-back, received the saved source {options.source}. "
            "Give the image itself."
        )


def output_suffixes(options: argparse.Namespace) -> tuple[str, ...]:
    """What the output may end in."""
    return TRANSPARENT_SUFFIXES if is_transparent(options) else OPAQUE_SUFFIXES


def check_cutting(pipeline: DiffusionActPipeline) -> None:
    """Raise ValueError unless the model can cut out the person or keep a photo's alpha."""
    if not isinstance(pipeline.engine, WarpEngine):
        raise ValueError(
            f"Expected the model photo for --background transparent and --matte, received one with the engine "
            f"{pipeline.engine.name!r}, which knows no background. Leave --model out."
        )
