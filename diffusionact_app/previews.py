"""Geometry previews for the page: on the CPU, beside the jobs, so that they wait for nobody and need no lent GPU."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from diffusionact.face.geometry.crop_change import UNCHANGED, CropChange
from diffusionact.face.pose.editing import PoseEdit
from diffusionact.generation.engine_names import WARP
from diffusionact.images import load_image, middle_square, model_to_uint8
from diffusionact.pipelines.preview import PREVIEW_SIZE, GeometryPreview
from diffusionact.types import SourceCodes
from diffusionact.video import VideoWriter

from .animation import AnimateJob
from .fair_lock import FairLock
from .motions import MotionClip
from .shared_model import MAX_SOURCES, EditedSource, SharedModel, SourceKey, source_key

# A clip takes every EVERY-th frame of so much of the driver, and ends early where the machine is slow.
EVERY, CLIP_S = 2, 4.0
CLIP_BUDGET_S, MIN_CLIP_FRAMES = 2.0, 8


class Previews:
    """Shows sources at once, whatever engine the model has; the last MAX_SOURCES are kept.

    Args:
        model: its codes are taken where they serve, and its face reader where that knows the open face model.
        size: side of the images, pixels.
    """

    def __init__(self, model: SharedModel, size: int = PREVIEW_SIZE):
        self.model = model
        self._preview = GeometryPreview(size, model.open_reader())
        self._sources: OrderedDict[SourceKey, SourceCodes] = OrderedDict()
        self._turns = FairLock()

    def source(self, path: Path, face: str | int = "largest", crop: CropChange = UNCHANGED) -> SourceCodes:
        """The preview's source of a photo, made once.

        Raises:
            NoFaceFoundError: if the photo shows no such face.
            ValueError: if it is no image.
        """
        key = source_key(path, face, crop)
        with self._turns:
            if key not in self._sources:
                self._sources[key] = self._made(path, face, crop)
            self._sources.move_to_end(key)
            while len(self._sources) > MAX_SOURCES:
                self._sources.popitem(last=False)
            return self._sources[key]

    def edited(self, source: SourceCodes, edit: PoseEdit) -> EditedSource:
        """A source of `source` before and after sliders."""
        with self._turns:
            return EditedSource(source.image, self._preview.edited(source, edit), source.crop)

    def clip(self, job: AnimateJob) -> Iterator[Tensor]:
        """Yield source | driver | preview, uint8 (S, 3 S, 3), of the beginning of a job, for two seconds of work.

        Raises:
            NoFaceFoundError: if photo or driver show no face.
        """
        source = self.source(job.source, job.source_face, job.source_crop)
        panel = model_to_uint8(source.image)[0]
        rate = float(job.driving.frame_rate)
        count = min(job.total, round(CLIP_S * rate))
        if isinstance(job.driving, MotionClip):
            made = self._preview.motion(source, islice(job.driving.timeline, 0, count, EVERY))
        else:
            made = self._preview.clip(source, islice(job.driving, count), job.options, rate, EVERY)
        drivers = islice(job.driving, 0, count, EVERY)  # decoded a second time for showing: the preview looks ahead
        started = time.perf_counter()
        with closing(made):
            for done, (image, driver) in enumerate(zip(made, drivers, strict=False)):
                if done >= MIN_CLIP_FRAMES and time.perf_counter() - started > CLIP_BUDGET_S:
                    return
                yield torch.cat([panel, middle_square(driver, self._preview.size), model_to_uint8(image)[0]], dim=1)

    def write_clip(self, job: AnimateJob) -> Path:
        """Write `clip` as a video into the job's folder, which plays at the driver's speed.

        Raises:
            NoFaceFoundError: if photo or driver show no face.
        """
        path, side = job.folder / "preview.mp4", self._preview.size
        with VideoWriter(path, job.driving.frame_rate / EVERY, (side, 3 * side)) as writer:
            for frame in self.clip(job):
                writer.write(frame)
        return path

    def _made(self, path: Path, face: str | int, crop: CropChange) -> SourceCodes:
        """The model's own codes where they are a warp's and lie here; else the photo is read for the preview alone."""
        engine = self.model.pipeline.engine
        photo = load_image(path)
        if engine.name == WARP and engine.device.type == "cpu":
            return self._preview.source_of(self.model.encode(path, face, crop=crop), photo)
        return self._preview.read(photo, face, crop)
