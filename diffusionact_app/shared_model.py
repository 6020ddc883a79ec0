"""The one pipeline behind the page, shared by all visitors: encoded sources are kept, work is done in turns.

Nothing here knows which engine makes the frames or what reads the faces.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from diffusionact import DiffusionActPipeline, FacePose, PoseOptions, ReenactedFrame, SourceCodes
from diffusionact.face.errors import NoFaceFoundError
from diffusionact.face.geometry.crop_change import UNCHANGED, CropChange
from diffusionact.face.pose.editing import PoseEdit, edit_pose, source_pose
from diffusionact.face.readers.changed_crop import CAMERA_FRAME
from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.face.readers.reader import CroppedFace, FaceReader
from diffusionact.face.readers.registry import load_face_reader
from diffusionact.generation import Sampling
from diffusionact.generation.sampling import StepCallback
from diffusionact.generation.warp import WarpEngine
from diffusionact.images import load_image
from diffusionact.motion import script_poses
from diffusionact.pipelines.crop_preview import crop_preview
from diffusionact.pipelines.stream_hooks import NO_HOOKS, StreamHooks
from diffusionact.types import CropTransform, map_tensors

from .composing import MODEL_OUTPUT, SOURCE_OUTPUT, WHOLE_OUTPUT
from .costs import CostModel
from .examples import EXAMPLES
from .fair_lock import FairLock

logger = logging.getLogger(__name__)

Rendered = TypeVar("Rendered")
SourceKey = tuple[str, str | int, CropChange]
MAX_SOURCES = 16
MAX_QUICK_STEPS = 4
DEFAULT_QUALITY = "balanced"
WARM_UP_STEPS = 2


@dataclass(frozen=True)
class EditedSource:
    """A source before and after sliders.

    Attributes:
        before, after: (1, 3, S, S) in [-1, 1], aligned, on the CPU.
        crop: full photo -> the two.
    """

    before: Tensor
    after: Tensor
    crop: CropTransform


class SharedModel:
    """A loaded model and what is known about its speed.

    Args:
        pipeline: the model.
        name: of the model, for visitors.
    """

    def __init__(self, pipeline: DiffusionActPipeline, name: str = "demo"):
        self.pipeline = pipeline
        self.name = name
        self.costs = CostModel()
        self._turns = FairLock()
        self._sources: OrderedDict[SourceKey, SourceCodes] = OrderedDict()
        # For looking at uploads: on the CPU, where it disturbs no job and needs no lent GPU.
        self._reader = _on_cpu(pipeline.face_reader)

    @property
    def presets(self) -> Mapping[str, Sampling]:
        """The qualities to choose from; none where the model has nothing to choose."""
        return self.pipeline.engine.presets

    @property
    def default_quality(self) -> str | None:
        """Name of the preset to begin with; None where there are none."""
        names = list(self.presets)
        return DEFAULT_QUALITY if DEFAULT_QUALITY in names else next(iter(names), None)

    @property
    def quickest_sampling(self) -> Sampling:
        """How to render where somebody waits for every frame: the quickest preset, in a few steps at most."""
        quickest = min(self.presets.values(), key=self.steps_per_frame, default=Sampling())
        return Sampling(min(MAX_QUICK_STEPS, self.steps_per_frame(quickest)), quickest.scheduler)

    @property
    def encode_steps(self) -> int:
        """Steps that encoding a source takes; 0 where it is done at once."""
        return self.pipeline.engine.encode_steps()

    @property
    def moves_whole_photos(self) -> bool:
        """Whether the model can move the photo around the face, too."""
        return isinstance(self.pipeline.engine, WarpEngine)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What a job may render, see `composing`; what suits the model best first."""
        if self.moves_whole_photos:
            return (WHOLE_OUTPUT, MODEL_OUTPUT, SOURCE_OUTPUT)
        has_open_reader = self.pipeline.face_reader.face_model.name == OpenFaceModel.name
        return (MODEL_OUTPUT, SOURCE_OUTPUT) if has_open_reader else (MODEL_OUTPUT,)

    def sampling(self, quality: str | None) -> Sampling:
        """How a quality is rendered; None is the model's own way.

        Raises:
            ValueError: if the model has no such preset.
        """
        if quality is None:
            return Sampling()
        if quality not in self.presets:
            raise ValueError(
                f"Expected a quality among {', '.join(self.presets) or 'none'}, received {quality!r}. Choose another."
            )
        return self.presets[quality]

    def steps_per_frame(self, sampling: Sampling) -> int:
        """Steps of the engine for one frame."""
        return self.pipeline.engine.steps_per_frame(sampling)

    def estimate(self, frames: int, sampling: Sampling, is_encoded: bool = False) -> float:
        """Seconds that a job will take."""
        encode_steps = 0 if is_encoded else self.encode_steps
        return self.costs.estimate(frames, self.steps_per_frame(sampling), encode_steps)

    def source_frame_steps(self, sampling: Sampling) -> int:
        """Steps of the engine for one frame of a clip that is the source: it is encoded, then rendered."""
        return self.encode_steps + self.steps_per_frame(sampling)

    def estimate_clip(self, frames: int, sampling: Sampling, moves_heads: bool) -> float:
        """Seconds that a job takes whose source is a clip; a frame counts once for each face that changes."""
        return frames * self.costs.source_frame(self.source_frame_steps(sampling), moves_heads)

    def estimate_group(self, frames: int, faces: int, sampling: Sampling) -> float:
        """Seconds that a job takes in which several faces of a photo move."""
        reading = faces * (self.costs.photo + self.encode_steps * self.costs.step)
        return reading + frames * faces * self.costs.frame(self.steps_per_frame(sampling))

    def warm_up(self) -> None:
        """Encode and render once, so that the first visitor neither waits for it nor sees a wild estimate."""
        photo, sampling = load_image(EXAMPLES[0].source), Sampling(WARM_UP_STEPS)
        try:
            for _ in range(2):  # the first time is slower than those that follow
                started = time.perf_counter()
                source = self.pipeline.encode_source(photo, num_inversion_steps=WARM_UP_STEPS)
        except NoFaceFoundError as error:
            logger.warning("No warm-up, the first estimates are guesses: %s", error)
            return
        encoding = time.perf_counter() - started
        pose = source_pose(self.pipeline.face_reader.face_model, source)
        for _ in range(2):
            started = time.perf_counter()
            self._render(source, pose, sampling)
        self.costs.step = (time.perf_counter() - started) / self.steps_per_frame(sampling)
        encode_steps = WARM_UP_STEPS if self.encode_steps else 0
        self.costs.photo = max(0.0, encoding - encode_steps * self.costs.step)
        started = time.perf_counter()
        self.read_face(photo, 0)
        self.costs.reading = time.perf_counter() - started

    def is_encoded(self, path: Path, face: str | int = "largest", crop: CropChange = UNCHANGED) -> bool:
        """Whether `encode` would answer at once."""
        return source_key(path, face, crop) in self._sources

    def encode(
        self,
        path: Path,
        face: str | int = "largest",
        on_step: StepCallback | None = None,
        crop: CropChange = UNCHANGED,
    ) -> SourceCodes:
        """Encode a source photo, or take it from the last MAX_SOURCES ones.

        Raises:
            NoFaceFoundError: if the photo shows no such face.
            ValueError: if it is no image.
        """
        key = source_key(path, face, crop)
        with self._turns:
            if key not in self._sources:
                image, started = load_image(path), time.perf_counter()
                self._sources[key] = self.pipeline.encode_source(image, None, face, on_step, crop)
                self.costs.learn_steps(time.perf_counter() - started, self.encode_steps)
            self._sources.move_to_end(key)
            while len(self._sources) > MAX_SOURCES:
                self._sources.popitem(last=False)
            return self._sources[key]

    def stream(
        self,
        source: SourceCodes,
        driving: Iterable[Tensor],
        options: PoseOptions,
        frame_rate: float,
        sampling: Sampling,
        hooks: StreamHooks = NO_HOOKS,
        pipeline: DiffusionActPipeline | None = None,
    ) -> Iterator[ReenactedFrame]:
        """`DiffusionActPipeline.stream`, giving way to other jobs after every chunk.

        `pipeline` takes the place of the model's own: the same one for output of another size.
        """
        pipeline = pipeline or self.pipeline
        steps, scheduler = sampling.num_inference_steps, sampling.scheduler
        chunk_size = self.costs.chunk_size(self.steps_per_frame(sampling))
        return self.in_turns(pipeline.stream(source, driving, options, frame_rate, steps, scheduler, chunk_size, hooks))

    def stream_motion(
        self,
        source: SourceCodes,
        motion: Iterable[Mapping[str, float]],
        sampling: Sampling,
        hooks: StreamHooks = NO_HOOKS,
        pipeline: DiffusionActPipeline | None = None,
    ) -> Iterator[ReenactedFrame]:
        """`stream` for values of a motion's channels, frame after frame."""
        pipeline = pipeline or self.pipeline
        poses = script_poses(pipeline.face_reader.face_model, source, motion)
        chunk_size = self.costs.chunk_size(self.steps_per_frame(sampling))
        return self.in_turns(pipeline.stream_poses(source, poses, sampling, chunk_size, hooks))

    def in_turns(self, frames: Iterator[Rendered]) -> Iterator[Rendered]:
        """Frames that take the model's time, each in a turn of its own."""
        with closing(frames):
            while True:
                with self._turns:
                    frame = next(frames, None)
                if frame is None:
                    return
                yield frame

    def give_way(self) -> None:
        """Let others go first; called inside a turn that may take long."""
        self._turns.give_way()

    def edit(self, path: Path, face: str | int, edit: PoseEdit, sampling: Sampling) -> EditedSource:
        """Render a source with sliders applied.

        Raises:
            NoFaceFoundError: if the photo shows no such face.
        """
        source = self.encode(path, face)
        face_model = self.pipeline.face_reader.face_model
        with self._turns, torch.no_grad():
            pose = edit_pose(face_model, source_pose(face_model, source), edit)
            image = self._render(source, pose, sampling)
        return EditedSource(source.image.cpu(), image.cpu(), map_tensors(source.crop, Tensor.cpu))

    def open_reader(self) -> FaceReader | None:
        """The reader of uploads where it knows the open face model; else None."""
        return self._reader if self._reader.face_model.name == "open" else None

    def render(self, source: SourceCodes, pose: FacePose, sampling: Sampling) -> Tensor:
        """One frame (1, 3, S, S) in [-1, 1] of a source in a pose, in its turn."""
        with self._turns, torch.no_grad():
            return self._render(source, pose, sampling)

    @property
    def can_change_crops(self) -> bool:
        """Whether the square around a face may be another one."""
        return self._reader.camera_frame == CAMERA_FRAME

    def crop_preview(self, image: Tensor, face: str | int, change: CropChange) -> Tensor:
        """An image uint8 (H, W, 3) with the square around a face, and beside it what lies in it: uint8 (h, w, 3).

        Raises:
            NoFaceFoundError: if there is no such face.
        """
        chosen = face if isinstance(face, int) else "largest"
        return crop_preview(self._reader, image, chosen, change).side_by_side()

    def face_boxes(self, image: Tensor) -> Tensor:
        """(N, 4) left, top, right, bottom px of all faces in an image uint8 (H, W, 3), largest first."""
        return self._reader.faces_in(image)

    @property
    def looking_pipeline(self) -> DiffusionActPipeline:
        """The pipeline with the reader that looks at uploads."""
        return self.pipeline.with_face_reader(self._reader)

    def read_face(self, image: Tensor, face: int) -> CroppedFace:
        """Read one face of an image uint8 (H, W, 3) as the pipeline does for sources.

        Raises:
            NoFaceFoundError: if there is no such face.
        """
        with torch.no_grad():
            return self._reader.read_source(image, face).face

    def _render(self, source: SourceCodes, pose: FacePose, sampling: Sampling) -> Tensor:
        conditioning = self.pipeline.reenact(source, pose)
        return self.pipeline.decode(source, conditioning, sampling.num_inference_steps, sampling.scheduler)


def _on_cpu(reader: FaceReader) -> FaceReader:
    return reader if reader.device.type == "cpu" else load_face_reader(reader.name)


def source_key(path: Path, face: str | int, crop: CropChange = UNCHANGED) -> SourceKey:
    """What a source is kept under: the photo's content, the chosen face, and its crop."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest(), face, crop
