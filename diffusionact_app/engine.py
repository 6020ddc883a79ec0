"""The one pipeline behind the page, shared by all visitors: encoded sources are kept, work is done in turns."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor

from diffusionact import DiffusionActPipeline, PoseOptions, ReenactedFrame, SourceCodes
from diffusionact.face.pose.editing import PoseEdit, edit_pose, source_pose
from diffusionact.face.readers.reader import CroppedFace
from diffusionact.face.readers.registry import load_face_reader
from diffusionact.images import load_image
from diffusionact.schedulers import make_scheduler
from diffusionact.schedulers.choice import PRESETS
from diffusionact.types import CropTransform, map_tensors

from .costs import CostModel
from .fair_lock import FairLock

MAX_SOURCES = 16
Sampler = tuple[str, int]  # name and steps, as in PRESETS
QUALITY = "balanced"
FULL: Sampler = PRESETS[QUALITY]
PREVIEW: Sampler = ("dpm", 4)  # while a slider moves

OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class EditedSource:
    """A source before and after sliders.

    Attributes:
        before, after: (1, 3, S, S) in [-1, 1], aligned, on the CPU.
        crop: full image -> the two.
    """

    before: Tensor
    after: Tensor
    crop: CropTransform


class Engine:
    """A loaded model and what is known about its speed.

    Args:
        pipeline: the model; decoding uses a sampler of its own for each job, so jobs do not disturb each other.
        name: of the model, as the visitor shall read it.
    """

    def __init__(self, pipeline: DiffusionActPipeline, name: str = "demo"):
        self.pipeline = pipeline
        self.name = name
        self.costs = CostModel()
        self._turns = FairLock()
        self._sources: OrderedDict[tuple[str, str | int], SourceCodes] = OrderedDict()
        # For looking at uploads: on the CPU, where it disturbs no job and needs no lent GPU.
        faces = pipeline.faces
        self._reader = faces if faces.device.type == "cpu" else load_face_reader(faces.name)

    @property
    def inversion_steps(self) -> int:
        """Steps that encoding a source takes."""
        return self.pipeline.config.num_inversion_steps

    def warm_up(self) -> None:
        """Run the UNet once, so that the first visitor neither waits for it nor reads a wild estimate."""
        size, config = self.pipeline.sample_size, self.pipeline.unet.config
        noise, code = torch.zeros(1, 3, size, size), torch.zeros(1, config.semantic_dim)
        for _ in range(2):  # the first call is slower than those that follow
            started = time.perf_counter()
            self.pipeline.sample(noise.to(self.pipeline.device), code.to(self.pipeline.device), 2)
        self.costs.call = (time.perf_counter() - started) / 2
        self.costs.tracking = min(0.1, 2 * self.costs.call)

    def is_encoded(self, path: Path, face: str | int = "largest") -> bool:
        """Whether `encode` would answer at once."""
        return _key(path, face) in self._sources

    def encode(self, path: Path, face: str | int = "largest", on_step: OnStep | None = None) -> SourceCodes:
        """Encode a source image, or take it from the last MAX_SOURCES ones.

        Raises:
            NoFaceFoundError: if the image shows no such face.
            ValueError: if it is no image.
        """
        key = _key(path, face)
        with self._turns:
            if key not in self._sources:
                image, started = load_image(path), time.perf_counter()
                self._sources[key] = self.pipeline.encode_source(image, face=face, on_step=on_step)
                self.costs.learn_calls(time.perf_counter() - started, self.inversion_steps)
            self._sources.move_to_end(key)
            while len(self._sources) > MAX_SOURCES:
                self._sources.popitem(last=False)
            return self._sources[key]

    def stream(
        self, source: SourceCodes, driving: Iterable[Tensor], options: PoseOptions, frame_rate: float, sampler: Sampler
    ) -> Iterator[ReenactedFrame]:
        """`DiffusionActPipeline.stream`, giving way to other jobs after every chunk."""
        name, steps = sampler
        chunk = self.costs.chunk_size(steps)
        frames = self.pipeline.stream(source, driving, options, frame_rate, steps, self._scheduler(name), chunk)
        while True:
            with self._turns:
                frame = next(frames, None)
            if frame is None:
                return
            yield frame

    def edit(self, path: Path, face: str | int, edit: PoseEdit, sampler: Sampler) -> EditedSource:
        """Render a source with sliders applied.

        Raises:
            NoFaceFoundError: if the image shows no such face.
        """
        source = self.encode(path, face)
        model, (name, steps) = self.pipeline.faces.face_model, sampler
        with self._turns, torch.no_grad():
            pose = edit_pose(model, source_pose(model, source), edit)
            image = self.pipeline.decode(source, self.pipeline.reenact(source, pose), steps, self._scheduler(name))
        return EditedSource(source.image.cpu(), image.cpu(), map_tensors(source.crop, Tensor.cpu))

    def face_boxes(self, image: Tensor) -> Tensor:
        """(N, 4) left, top, right, bottom px of all faces in an image uint8 (H, W, 3), largest first."""
        return self._reader.faces_in(image)

    def measure(self, image: Tensor, face: int) -> CroppedFace:
        """Read one face of an image uint8 (H, W, 3) as the pipeline does for sources.

        Raises:
            NoFaceFoundError: if there is no such face.
        """
        with torch.no_grad():
            return self._reader.read_source(image, face).face

    def _scheduler(self, name: str) -> SchedulerMixin:
        return make_scheduler(name, self.pipeline.scheduler.config)


def _key(path: Path, face: str | int) -> tuple[str, str | int]:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest(), face
