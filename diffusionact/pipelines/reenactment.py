"""The reenactment pipeline: encode the source once, read poses from a driver, condition and render frames.

    source photo   -> encode_source -> SourceCodes
    driving frames -> extract_pose  -> FacePose
    both           -> reenact       -> Conditioning
    conditioning   -> decode        -> images (F, 3, H, W)

`stream` does the last three lazily, in chunks; `__call__` does all of it. Faces are read by a face reader, frames are
made by an engine; the pipeline knows neither's insides.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .. import images
from ..checks import check_frames, check_in_range
from ..data.saved_values import source_fingerprint
from ..devices import face_device
from ..face.geometry.crop_change import UNCHANGED, CropChange
from ..face.geometry.resize import resize_crop
from ..face.pose.editing import fit_pose
from ..face.pose.extraction import LandmarkFrame, PoseExtractor
from ..face.pose.options import DEFAULT_POSE_OPTIONS, PoseOptions
from ..face.readers.changed_crop import CROP_CODE, changed_source, check_crop_change
from ..face.readers.reader import CroppedFace, FaceReader, SourceFace
from ..face.readers.registry import load_face_reader
from ..generation import AlignedSource, Conditioning, Engine, Sampling, load_engine, preferred_dtype
from ..generation.chunks import in_chunks
from ..generation.sampling import StepCallback
from ..types import FacePose, SourceCodes, concatenate, map_tensors
from .reading_ahead import chunks_ahead
from .stream_hooks import NO_HOOKS, ChunkProgress, StreamHooks

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_utils import SchedulerMixin

    from ..generation import ModelComponents

OWN_ATTRIBUTES = ("engine", "face_reader", "face_device", "landmark_frame")


@dataclass(frozen=True)
class ReenactedFrame:
    """One frame of `stream`.

    Attributes:
        image: (1, 3, H, W) in [-1, 1].
        pose: the pose it was rendered in, one row.
    """

    image: Tensor
    pose: FacePose


class DiffusionActPipeline:
    """One-shot face reenactment.

    What only one engine has is reached through the pipeline too: `pipeline.unet` is `pipeline.engine.unet`.

    Args:
        engine: makes frames. The components of a diffusion engine do as well, as in version 0.1.
        face_reader: face reader with its face model, from `load_face_reader`; None takes the open one.

    Attributes:
        engine: see `generation.Engine`.
        face_reader: reads faces; its `face_model` draws them.
        face_device: where faces are read, and where coefficients, gaze and crops of sources and poses are.
        landmark_frame: where the engine's landmarks lie.
    """

    def __init__(self, engine: Engine | ModelComponents, face_reader: FaceReader | None = None):
        self.engine: Engine = engine if hasattr(engine, "render") else _diffusion_engine(engine)
        self.face_reader = face_reader or load_face_reader("open")
        self.face_device = torch.device("cpu")
        self.landmark_frame = LandmarkFrame(self.engine.landmark_frame, self.engine.sample_size)

    def __getattr__(self, name: str) -> Any:
        # Only called for what the pipeline itself lacks; without an engine, as while copying, nothing is forwarded, nor
        # is a property of the pipeline that failed.
        engine = self.__dict__.get("engine")
        if name.startswith("__") or engine is None or hasattr(type(self), name) or not hasattr(engine, name):
            raise AttributeError(f"neither the pipeline nor its engine has {name!r}")
        return getattr(engine, name)

    def __setattr__(self, name: str, value: Any) -> None:
        # A scheduler or network that is set on the pipeline is the engine's, which works with it.
        engine = self.__dict__.get("engine")
        is_own = name in OWN_ATTRIBUTES or hasattr(type(self), name)
        object.__setattr__(self if is_own or not hasattr(engine, name) else engine, name, value)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path = "demo",
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
        revision: str | None = None,
        tracker: str = "open",
        face_reader: str | None = None,
    ) -> DiffusionActPipeline:
        """Load a bundled model, a model folder, or a Hub repository.

        Args:
            name_or_path: "photo" or "demo", which are bundled, a folder, or a repository id such as "name/model".
            dtype: of the networks that like half precision; None takes bfloat16 or float16 where the device is faster
                with it, else float32; the engine `directions` float32 everywhere.
            device: where everything is put.
            revision: branch, tag or commit of a Hub repository.
            tracker: the same as `face_reader`, by its name of version 0.1.
            face_reader: name of a face reader, see `face.readers.registry`.

        Raises:
            FileNotFoundError: if there is no such model, or a file of it or of the face reader is missing.
            ModuleNotFoundError: if the face reader's package is not installed.
            ValueError: if there is no such face reader or engine, or weights do not fit or are not finite.
        """
        # The face reader first: it is quickly loaded, and what it lacks is quickly reported.
        reader = load_face_reader(face_reader or tracker)
        engine = load_engine(name_or_path, revision=revision)
        return cls(engine, reader).to(device, dtype or preferred_dtype(engine, torch.device(device)))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a model folder that `from_pretrained` loads."""
        self.engine.save(Path(folder))

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> DiffusionActPipeline:
        """Move everything to `device`, the face reader to `face_device`; `dtype` is passed to the engine."""
        self.engine.to(device, dtype)
        self.face_device = face_device(torch.device(device))
        self.face_reader.to(self.face_device)
        return self

    def with_face_reader(self, face_reader: FaceReader) -> DiffusionActPipeline:
        """The same engine with another face reader, which stays where it is; this pipeline stays as it is."""
        other = type(self)(self.engine, face_reader)
        other.face_device = face_reader.device
        return other

    def with_engine(self, engine: Engine) -> DiffusionActPipeline:
        """The same face reader with another engine; this pipeline stays as it is."""
        other = type(self)(engine, self.face_reader)
        other.face_device = self.face_device
        return other

    @property
    def faces(self) -> FaceReader:
        """The face reader, by its name of version 0.1."""
        return self.face_reader

    @faces.setter
    def faces(self, face_reader: FaceReader) -> None:
        self.face_reader = face_reader

    @property
    def device(self) -> torch.device:
        """Where the engine works."""
        return self.engine.device

    @property
    def sample_size(self) -> int:
        """Side of the engine's images, pixels."""
        return self.engine.sample_size

    @property
    def fingerprint(self) -> str:
        """A short hash of the engine as it was loaded, and the face model: tells whose codes a saved source holds."""
        return source_fingerprint(self.engine.fingerprint, self.face_reader.face_model.name)

    @torch.no_grad()
    def encode_source(
        self,
        image: Tensor,
        num_inversion_steps: int | None = None,
        face: str | int = "largest",
        on_step: StepCallback | None = None,
        crop_change: CropChange = UNCHANGED,
        alpha: Tensor | None = None,
    ) -> SourceCodes:
        """Find and align the source's face, and encode it; once per source.

        Args:
            image: uint8 (H, W, 3), any size.
            num_inversion_steps: DDIM steps from the image to x_T, of engines that invert; None takes the model's own
                number.
            face: "largest" or an index, largest first.
            on_step: called after every step of the engine with (done, total).
            crop_change: of the square that the face is cut out by.
            alpha: uint8 (H, W), of an image with transparent parts as `transparency.load_with_alpha` reads it; counts
                for the engine `warp`, whose `transparent` frames keep it.

        Raises:
            NoFaceFoundError: if the image shows no such face.
            ValueError: if the crop is changed and the face reader has its own.
        """
        check_frames("source", image[None])
        check_crop_change(crop_change, self.face_reader.camera_frame)
        found = changed_source(image, self.face_reader.read_source(image, face), crop_change)
        source = self.encode_face(image, found, num_inversion_steps, on_step, alpha)
        if crop_change == UNCHANGED:
            return source
        return replace(source, codes={**source.codes, CROP_CODE: crop_change.matrix(found.face.crop.size)})

    @torch.no_grad()
    def encode_sources(
        self, image: Tensor, faces: Sequence[int], num_inversion_steps: int | None = None
    ) -> list[SourceCodes]:
        """`encode_source` of several faces of an image, by index; they are looked for once where the reader can."""
        check_frames("source", image[None])
        reader = self.face_reader
        read = getattr(reader, "read_sources", lambda photo, indices: [reader.read_source(photo, at) for at in indices])
        return [self.encode_face(image, found, num_inversion_steps) for found in read(image, faces)]

    @torch.no_grad()
    def encode_face(
        self,
        image: Tensor,
        found: SourceFace,
        num_inversion_steps: int | None = None,
        on_step: StepCallback | None = None,
        alpha: Tensor | None = None,
    ) -> SourceCodes:
        """`encode_source` of a face that was read elsewhere, in the same image uint8 (H, W, 3)."""
        aligned = images.resize(images.uint8_to_model(found.aligned[None].to(self.device)), self.sample_size)
        pose = self._extractor(DEFAULT_POSE_OPTIONS).in_landmark_frame(found.face.coefficients, found.face)
        crop = resize_crop(found.face.crop, self.sample_size)
        codes = self.engine.encode(AlignedSource(aligned, pose, image, crop, alpha), num_inversion_steps, on_step)
        return SourceCodes(
            image=aligned,
            crop=crop,
            coefficients=pose.coefficients,
            frame=pose.frame,
            gaze=pose.gaze,
            codes=dict(codes),
        )

    def source_to_device(self, source: SourceCodes) -> SourceCodes:
        """A source that was saved or made elsewhere, with every part on the device that works with it."""
        placed = map_tensors(source, lambda tensor: tensor.to(self.face_device))
        codes = {name: tensor.to(self.device) for name, tensor in source.codes.items()}
        return replace(placed, image=source.image.to(self.device), codes=codes)

    # Its name of version 0.1.
    place = source_to_device

    @torch.no_grad()
    def extract_pose(
        self,
        driving: Iterable[Tensor],
        source: SourceCodes,
        options: PoseOptions = DEFAULT_POSE_OPTIONS,
        frame_rate: float = 25.0,
    ) -> FacePose:
        """Read all poses of a driving clip: the source's shape with the driver's pose and expression.

        Args:
            driving: uint8 (H, W, 3) frames, or one tensor (F, H, W, 3); read lazily.
            source: from `encode_source`.
            options: how the clip is read.
            frame_rate: driving frames per second, for the smoothing.

        Raises:
            NoFaceFoundError: see `PoseOptions.missing`.
            ValueError: if there are no frames.
        """
        faces = self.face_reader.read(self._checked(driving), options, frame_rate)
        return self.extract_pose_from(faces, source, options)

    @torch.no_grad()
    def extract_pose_from(
        self, faces: Iterator[CroppedFace], source: SourceCodes, options: PoseOptions = DEFAULT_POSE_OPTIONS
    ) -> FacePose:
        """`extract_pose` of driving faces that were read elsewhere, for example by `OpenFaceReader.fit`.

        Raises:
            ValueError: if there are no frames.
        """
        poses = list(self._extractor(options).stream(faces, source))
        if not poses:
            raise ValueError(
                "Expected a driving clip with at least one frame, received none. Check that the file shows an image."
            )
        return concatenate(poses)

    @torch.no_grad()
    def fit_pose(self, source: SourceCodes, pose: FacePose) -> FacePose:
        """Draw a pose for this source and this model, whichever it was made for: shared poses keep identities apart.

        Raises:
            ValueError: if the pose was read with another face model.
        """
        return fit_pose(self.face_reader, self.landmark_frame, source, pose)

    @torch.no_grad()
    def reenact(self, source: SourceCodes, pose: FacePose) -> Conditioning:
        """What the engine renders the source in every pose from, F rows; cheap."""
        return Conditioning(self.engine.condition(source, pose))

    def decode(
        self,
        source: SourceCodes,
        conditioning: Conditioning | Tensor,
        num_inference_steps: int | None = None,
        scheduler: SchedulerMixin | str | None = None,
        chunk_size: int = 8,
        on_step: StepCallback | None = None,
    ) -> Tensor:
        """Render frames: the costly step.

        Args:
            source: from `encode_source`.
            conditioning: F rows, from `reenact`; the semantic codes (F, D) of a diffusion engine do as well, as in
                version 0.1.
            num_inference_steps: of engines that sample; None takes the model's own number.
            scheduler: name of a sampler, or any scheduler of diffusers with the model's prediction type; None is the
                model's own.
            chunk_size: frames rendered together; halved where memory runs out; does not change the result.
            on_step: called after every step of a chunk with (done, total).

        Returns:
            (F, 3, H, W) in [-1, 1].
        """
        if isinstance(conditioning, Tensor):
            conditioning = Conditioning({"semantic_code": conditioning})
        sampling = Sampling(num_inference_steps, scheduler)
        frames = len(conditioning)
        hooks = NO_HOOKS if on_step is None else _chunk_counter(on_step, frames, chunk_size, self._steps(sampling))
        return torch.cat(list(self.render(source, conditioning, sampling, chunk_size, hooks)))

    def render(
        self,
        source: SourceCodes,
        conditioning: Conditioning,
        sampling: Sampling,
        chunk_size: int = 8,
        hooks: StreamHooks = NO_HOOKS,
    ) -> Iterator[Tensor]:
        """Yield images (n, 3, H, W) in [-1, 1] of the conditioning's rows, chunk after chunk.

        Args:
            source: from `encode_source`.
            conditioning: F rows.
            sampling: how, where the engine samples.
            chunk_size: frames rendered together, to begin with.
            hooks: progress, interruption, memory.
        """
        check_in_range("chunk_size", chunk_size, 1, 4096)
        frames = range(len(conditioning))
        return self._render(source, conditioning.rows, frames, sampling, chunk_size, hooks)

    def stream(
        self,
        source: SourceCodes,
        driving: Iterable[Tensor],
        options: PoseOptions = DEFAULT_POSE_OPTIONS,
        frame_rate: float = 25.0,
        num_inference_steps: int | None = None,
        scheduler: SchedulerMixin | str | None = None,
        chunk_size: int = 8,
        hooks: StreamHooks = NO_HOOKS,
    ) -> Iterator[ReenactedFrame]:
        """Take and yield frames lazily: memory does not grow with the clip, nor does the result depend on chunk_size.

        The driver is read one chunk ahead, in a thread of its own, while a chunk is rendered.

        Arguments are those of `extract_pose` and `decode`; `hooks` report progress, interrupt, and free memory.
        """
        faces = self.face_reader.read(self._checked(driving, hooks), options, frame_rate)
        poses = self._extractor(options).stream(faces, source)
        yield from self.stream_poses(source, poses, Sampling(num_inference_steps, scheduler), chunk_size, hooks)

    def stream_poses(
        self,
        source: SourceCodes,
        poses: Iterator[FacePose],
        sampling: Sampling,
        chunk_size: int = 8,
        hooks: StreamHooks = NO_HOOKS,
    ) -> Iterator[ReenactedFrame]:
        """`stream` for poses that were made elsewhere, one row each."""
        check_in_range("chunk_size", chunk_size, 1, 4096)
        done = 0
        for chunk in chunks_ahead(poses, chunk_size):
            condition = partial(self._reenact_rows, source, concatenate(chunk))
            frames, waiting, largest = range(done, done + len(chunk)), iter(chunk), 0
            for images_of_chunk in self._render(source, condition, frames, sampling, chunk_size, hooks):
                largest = max(largest, len(images_of_chunk))
                for image in images_of_chunk:
                    yield ReenactedFrame(image[None], next(waiting))
            done += len(chunk)
            # What was too much for the memory once is not tried again.
            chunk_size = largest if largest < len(chunk) else chunk_size

    def __call__(
        self, source: Tensor, driving: Iterable[Tensor], num_inversion_steps: int | None = None, **options: Any
    ) -> Tensor:
        """Reenact a source image with a driving clip, all at once.

        Args:
            source: uint8 (H, W, 3).
            driving: uint8 (H, W, 3) frames, or one tensor (F, H, W, 3).
            num_inversion_steps: see `encode_source`.
            options: the further arguments of `stream`.

        Returns:
            uint8 (F, H, W, 3).
        """
        codes = self.encode_source(source, num_inversion_steps)
        frames = [images.model_to_uint8(frame.image) for frame in self.stream(codes, driving, **options)]
        return torch.cat(frames)

    def _render(
        self,
        source: SourceCodes,
        condition: Callable[[slice], Conditioning],
        frames: range,
        sampling: Sampling,
        chunk_size: int,
        hooks: StreamHooks,
    ) -> Iterator[Tensor]:
        """Yield images of frames, which count from the beginning of the stream.

        What rows are rendered from is asked for when they are: after `before_chunk`, and again where memory ran out.
        """
        steps = self._steps(sampling)

        @torch.no_grad()
        def work(rows: slice) -> Tensor:
            count = rows.stop - rows.start
            hooks.before_chunk(count)
            progress = ChunkProgress(hooks, frames[rows.start] * steps, count)
            return self.engine.render(source, condition(rows), sampling, progress.on_step, progress.on_preview)

        return in_chunks(work, len(frames), chunk_size, hooks.free_memory)

    def _reenact_rows(self, source: SourceCodes, poses: FacePose, rows: slice) -> Conditioning:
        return self.reenact(source, map_tensors(poses, lambda tensor: tensor[rows]))

    def _extractor(self, options: PoseOptions) -> PoseExtractor:
        return PoseExtractor(self.face_reader.face_model, self.face_reader.camera_frame, self.landmark_frame, options)

    def _checked(self, driving: Iterable[Tensor], hooks: StreamHooks = NO_HOOKS) -> Iterator[Tensor]:
        for frame in driving:
            hooks.check_interrupted()
            check_frames("driving", frame[None])
            yield frame.to(self.face_device)

    def _steps(self, sampling: Sampling) -> int:
        return self.engine.steps_per_frame(sampling)


def _diffusion_engine(components: ModelComponents) -> Engine:
    from ..generation.diffusion import DiffusionEngine

    return DiffusionEngine(components)


def _chunk_counter(on_step: StepCallback, frames: int, chunk_size: int, steps: int) -> StreamHooks:
    """Hooks that count the steps of chunks, not of frames."""
    total, seen = math.ceil(frames / chunk_size) * steps, itertools.count(1)
    return StreamHooks(on_step=lambda done, preview: on_step(next(seen), total))
