"""What a job of a photo shows of each rendered frame: the full frame, and source, driver and face side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from diffusionact import DiffusionActPipeline, ReenactedFrame, SourceCodes
from diffusionact.face.geometry.alignment import cut_crop
from diffusionact.face.paste_back import paste_back, shrunk_source
from diffusionact.generation.photo_detail import has_warp
from diffusionact.generation.whole_photo import WholePhoto
from diffusionact.images import load_image, middle_square, model_to_uint8
from diffusionact.pipelines import SizedOutput
from diffusionact.pipelines.full_resolution import SOURCE_SIZE

MIN_PANEL_PX = 256
# What is rendered: the face as the model gives it, the face at the photo's resolution, or the whole photo moving.
MODEL_OUTPUT, SOURCE_OUTPUT, WHOLE_OUTPUT = "model", SOURCE_SIZE, "whole"


class Composer:
    """Makes of each rendered frame (full frame, side by side), uint8 (H, W, 3) on the CPU.

    Args:
        pipeline: encoded the source.
        source: its codes.
        photo: the file.
        driving: frames for the middle panel; read a second time, as the stream may look ahead.
        output: MODEL_OUTPUT, SOURCE_OUTPUT or WHOLE_OUTPUT; the last is the second where the model cannot do it.
        longest_px: longest side of the full frame.
        feather, match_colour: see `face.paste_back`.

    Attributes:
        pipeline: to stream from.
    """

    def __init__(
        self,
        pipeline: DiffusionActPipeline,
        source: SourceCodes,
        photo: Path,
        driving: Iterator[Tensor],
        output: str = MODEL_OUTPUT,
        longest_px: int = 1280,
        feather: float = 0.1,
        match_colour: bool = False,
    ):
        whole_size = load_image(photo)
        image, self._crop = shrunk_source(whole_size, source.crop, longest_px)
        self.pipeline, self._driving = pipeline, driving
        self._feather, self._match_colour = feather, match_colour
        self._full = image.to(pipeline.device)[None]
        self._whole: WholePhoto | None = None
        self._sized: SizedOutput | None = None
        self._panel_px = max(MIN_PANEL_PX, source.image.shape[-1])
        if output == WHOLE_OUTPUT and has_warp(source):
            self._whole = WholePhoto(pipeline.engine, replace(source, crop=self._crop), image)
            self.pipeline = pipeline.with_engine(self._whole.engine)
        elif output != MODEL_OUTPUT:
            self._sized = SizedOutput(pipeline, source, whole_size, SOURCE_SIZE)
            self.pipeline, self._panel_px = self._sized.pipeline, max(MIN_PANEL_PX, self._sized.side)
        first = model_to_uint8(source.image)[0]
        if self._sized is not None:
            first = cut_crop(whole_size, source.crop, self._panel_px)
        self._source_panel = middle_square(first, self._panel_px)

    def __call__(self, frame: ReenactedFrame) -> tuple[Tensor, Tensor]:
        """The two of one frame of `pipeline`; the driver's frames are taken in order."""
        if self._whole is not None:
            full, face = self._whole.finish(frame.image), self._whole.aligned(frame.image)
        else:
            face = frame.image if self._sized is None else self._sized.finish(frame).image
            full = paste_back(self._full.to(face.device), face, self._crop, self._feather, self._match_colour)[0].cpu()
        shown = (next(self._driving), model_to_uint8(face)[0])
        panels = (middle_square(panel, self._panel_px) for panel in shown)
        return full, torch.cat([self._source_panel, *panels], dim=1)
