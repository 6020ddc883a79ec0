"""The reenactment pipeline: encode the source once, read poses from a driver, predict codes, decode frames.

    source image -> encode_source -> SourceCodes
    driving frames -> extract_pose  -> FacePose
    both           -> reenact       -> semantic codes (F, D)
    codes          -> decode        -> images (F, 3, H, W)

`stream` does the last three lazily, in chunks; `__call__` does all of it. The sampler's arithmetic is float32, whatever
the UNets' dtype; the encoders stay float32, as in the official code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor

from .. import images
from ..checks import check_finite, check_frames, check_images, check_in_range
from ..data.saved_values import source_fingerprint
from ..devices import default_dtype, face_device
from ..face.geometry.resize import resize_crop
from ..face.pose.editing import fit_pose
from ..face.pose.extraction import LandmarkFrame, PoseExtractor
from ..face.pose.landmark_map import draw_landmark_map, landmark_map_at
from ..face.pose.options import DEFAULT_POSE_OPTIONS, PoseOptions
from ..face.readers.reader import CroppedFace, FaceReader
from ..face.readers.registry import load_face_reader
from ..types import FacePose, SourceCodes, concatenate, map_tensors
from ..weights import ModelComponents, load_components, save_components
from .reading_ahead import chunks_ahead

StepCallback = Callable[[int, int], None]
# The parts of a source that the networks work with; the others belong to faces.
NETWORK_PARTS = ("image", "semantic_code", "stochastic_code")


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

    Args:
        components: the networks, the scheduler and the model's configuration.
        faces: tracker and face model, from `trackers.load_face_reader`; None takes the open ones.

    Attributes:
        unet: decodes; fine-tuned in the official model.
        inversion_unet: finds x_T; the same object as `unet` in models whose decoder was not fine-tuned.
        reenactment_encoder, semantic_encoder, scheduler, config: see `weights.ModelComponents`.
        faces: reads faces; its `face_model` draws them.
        face_device: where faces are read, and where coefficients, gaze and crops of sources and poses are.
        engine_fingerprint: a short hash of the networks as they were loaded.
    """

    def __init__(self, components: ModelComponents, faces: FaceReader | None = None):
        self.components = components
        self.unet = components.unet
        self.inversion_unet = components.inversion_unet
        self.reenactment_encoder = components.reenactment_encoder
        self.semantic_encoder = components.semantic_encoder
        self.scheduler = components.scheduler
        self.config = components.config
        self.faces = faces or load_face_reader("open")
        self.face_device = torch.device("cpu")
        self.landmark_frame = LandmarkFrame(self.config.landmark_frame, self.sample_size)
        self.engine_fingerprint = _fingerprint(self.inversion_unet.conv_in, self.reenactment_encoder.encoder.conv_in)
        for module in self._modules():
            module.eval().requires_grad_(False)

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
        """Load a model folder, the bundled "demo" model, or a Hub repository.

        Args:
            name_or_path: "demo", a folder, or a repository id such as "name/model".
            dtype: of the UNets; None takes bfloat16 or float16 where the device is faster with it, else float32.
            device: where everything is put.
            revision: branch, tag or commit of a Hub repository.
            tracker: the same as `face_reader`, by its first name.
            face_reader: name of a face reader, one of FACE_READERS.

        Raises:
            FileNotFoundError: if there is no such model, or a file of it or of the tracker is missing.
            ModuleNotFoundError: if the tracker's package is not installed.
            ValueError: if there is no such tracker, or weights do not fit or are not finite.
        """
        # The tracker first: it is quickly loaded, and what it lacks is quickly told.
        faces = load_face_reader(face_reader or tracker)
        components = load_components(name_or_path, revision=revision)
        return cls(components, faces).to(device, dtype or default_dtype(torch.device(device)))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a model folder that `from_pretrained` loads."""
        save_components(self.components, Path(folder))

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> DiffusionActPipeline:
        """Move everything to `device`, faces to `face_device`; `dtype`, where given, is for the two UNets only."""
        for module in self._modules():
            module.to(device)
        self.face_device = face_device(torch.device(device))
        self.faces.to(self.face_device)
        for unet in (self.unet, self.inversion_unet):
            # diffusers' own `to` warns about an empty list of float32 modules.
            torch.nn.Module.to(unet, dtype=dtype, memory_format=torch.channels_last)
        return self

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.unet.parameters()).device

    @property
    def fingerprint(self) -> str:
        """Tells whose codes a saved source holds, and in which face model's coefficients."""
        return source_fingerprint(self.engine_fingerprint, self.faces.face_model.name)

    @property
    def sample_size(self) -> int:
        """Side of the model's images, pixels."""
        return self.unet.config.sample_size

    @torch.no_grad()
    def encode_source(
        self,
        image: Tensor,
        num_inversion_steps: int | None = None,
        face: str | int = "largest",
        on_step: StepCallback | None = None,
    ) -> SourceCodes:
        """Find, align and invert the source's face. Costs `num_inversion_steps` UNet calls, once per source.

        Args:
            image: uint8 (H, W, 3), any size.
            num_inversion_steps: DDIM steps from the image to x_T; None takes the model's own number.
            face: "largest" or an index, largest first.
            on_step: called after every UNet call with (done, total).

        Raises:
            NoFaceFoundError: if the image shows no such face.
        """
        check_frames("source", image[None])
        found = self.faces.read_source(image, face)
        image = images.resize(images.uint8_to_model(found.aligned[None].to(self.device)), self.sample_size)
        pose = self._extractor(DEFAULT_POSE_OPTIONS).in_landmark_frame(found.face.coefficients, found.face)
        semantic_code = self.reenactment_encoder(image, self.landmark_map(pose))
        return SourceCodes(
            image=image,
            crop=resize_crop(found.face.crop, self.sample_size),
            coefficients=pose.coefficients,
            frame=pose.frame,
            gaze=pose.gaze,
            semantic_code=semantic_code,
            stochastic_code=self.invert(image, semantic_code, num_inversion_steps, on_step),
        )

    def place(self, source: SourceCodes) -> SourceCodes:
        """A source that was saved or made elsewhere, with every part on the device that works with it."""
        placed = map_tensors(source, lambda tensor: tensor.to(self.face_device))
        networks = {name: getattr(source, name).to(self.device) for name in NETWORK_PARTS}
        return replace(placed, **networks)

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
            frame_rate: driving frames a second, for the smoothing.

        Raises:
            NoFaceFoundError: see `PoseOptions.missing`.
            ValueError: if there are no frames.
        """
        faces = self.faces.read(self._checked(driving), options, frame_rate)
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
            ValueError: if the pose was read with another kind of tracker.
        """
        return fit_pose(self.faces, self.landmark_frame, source, pose)

    @torch.no_grad()
    def reenact(self, source: SourceCodes, pose: FacePose) -> Tensor:
        """Predict the semantic codes (F, D) of the source in every pose. One encoder pass a frame."""
        landmark_map = self.landmark_map(pose)
        return self.reenactment_encoder(source.image.expand(len(landmark_map), -1, -1, -1), landmark_map)

    @torch.no_grad()
    def decode(
        self,
        source: SourceCodes,
        semantic_code: Tensor,
        num_inference_steps: int | None = None,
        scheduler: SchedulerMixin | None = None,
        chunk_size: int = 8,
        on_step: StepCallback | None = None,
    ) -> Tensor:
        """Render semantic codes from the source's x_T: the costly step, `num_inference_steps` UNet calls a frame.

        Args:
            source: from `encode_source`.
            semantic_code: (F, D), from `reenact`.
            num_inference_steps: None takes the model's own number.
            scheduler: any scheduler of diffusers with the model's prediction type; None is the model's own DDIM.
            chunk_size: frames rendered together; does not change the result.
            on_step: called after every UNet call with (done, total).

        Returns:
            (F, 3, H, W) in [-1, 1].
        """
        chunks = semantic_code.split(chunk_size)
        steps = num_inference_steps or self.config.num_inference_steps
        frames = []
        for index, codes in enumerate(chunks):
            report = _offset(on_step, index * steps, len(chunks) * steps)
            x_T = source.stochastic_code.expand(len(codes), -1, -1, -1)
            frames.append(self.sample(x_T, codes, steps, scheduler, report))
        return torch.cat(frames)

    def stream(
        self,
        source: SourceCodes,
        driving: Iterable[Tensor],
        options: PoseOptions = DEFAULT_POSE_OPTIONS,
        frame_rate: float = 25.0,
        num_inference_steps: int | None = None,
        scheduler: SchedulerMixin | None = None,
        chunk_size: int = 8,
    ) -> Iterator[ReenactedFrame]:
        """Take and yield frames lazily: memory does not grow with the clip, nor does the result depend on chunk_size.

        The driver is read one chunk ahead, in a thread of its own, while a chunk is rendered.

        Arguments are those of `extract_pose` and `decode`.
        """
        check_in_range("chunk_size", chunk_size, 1, 4096)
        faces = self.faces.read(self._checked(driving), options, frame_rate)
        poses = self._extractor(options).stream(faces, source)
        for chunk in chunks_ahead(poses, chunk_size):
            codes = self.reenact(source, concatenate(chunk))
            frames = self.decode(source, codes, num_inference_steps, scheduler, chunk_size)
            for image, pose in zip(frames, chunk, strict=True):
                yield ReenactedFrame(image[None], pose)

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

    @torch.no_grad()
    def invert(
        self,
        image: Tensor,
        semantic_code: Tensor,
        num_inversion_steps: int | None = 50,
        on_step: StepCallback | None = None,
    ) -> Tensor:
        """DDIM inversion: the stochastic code x_T (B, 3, H, W) from which `semantic_code` renders `image`.

        Args:
            image: (B, 3, H, W) in [-1, 1].
            semantic_code: (B, D).
            num_inversion_steps: None takes the model's own number.
            on_step: called after every UNet call with (done, total).
        """
        check_images("image", image)
        self.scheduler.set_timesteps(num_inversion_steps or self.config.num_inversion_steps)
        x_t = image
        for done, timestep in enumerate(self.scheduler.inversion_timesteps, start=1):
            prediction = _predict(self.inversion_unet, x_t, timestep, semantic_code)
            x_t = self.scheduler.reverse_step(prediction, timestep, x_t).prev_sample
            if on_step is not None:
                on_step(done, len(self.scheduler.inversion_timesteps))
        check_finite("x_T of the source", x_t)
        return x_t

    @torch.no_grad()
    def sample(
        self,
        x_T: Tensor,
        semantic_code: Tensor,
        num_inference_steps: int | None = 20,
        scheduler: SchedulerMixin | None = None,
        on_step: StepCallback | None = None,
    ) -> Tensor:
        """Decode x_T (B, 3, H, W) with semantic codes (B, D) into images (B, 3, H, W) in [-1, 1].

        Raises:
            ValueError: if `scheduler` was made for another prediction type than the model's.
        """
        scheduler = scheduler or self.scheduler
        self._check_prediction_type(scheduler)
        scheduler.set_timesteps(num_inference_steps or self.config.num_inference_steps)
        x_t = x_T * scheduler.init_noise_sigma
        for done, timestep in enumerate(scheduler.timesteps, start=1):
            prediction = _predict(self.unet, scheduler.scale_model_input(x_t, timestep), timestep, semantic_code)
            x_t = scheduler.step(prediction, timestep, x_t).prev_sample
            if on_step is not None:
                on_step(done, len(scheduler.timesteps))
        check_finite("the reenacted images", x_t)
        # Our DDIM ends within the range; solvers of diffusers leave it a little.
        return x_t.clamp(-1.0, 1.0)

    def landmark_map(self, pose: FacePose) -> Tensor:
        """Draw poses as the (F, 3, H, W) condition of the reenactment encoder."""
        return self.draw_landmarks(pose.landmarks, pose.pupils)

    def draw_landmarks(self, landmarks: Tensor, pupils: Tensor) -> Tensor:
        """Draw landmarks (F, 68, 2) and pupils (F, 2, 2), px of the model's landmark frame, as that condition."""
        if self.config.landmark_frame == "crop224":
            # The official model draws the numbers of its 224 px crop on a canvas of the image's size, as they are.
            drawn = draw_landmark_map(landmarks, pupils, self.sample_size)
        else:
            drawn = landmark_map_at(landmarks, pupils, self.sample_size, self.config.landmark_canvas)
        return drawn.to(self.device)

    def _extractor(self, options: PoseOptions) -> PoseExtractor:
        return PoseExtractor(self.faces.face_model, self.faces.camera_frame, self.landmark_frame, options)

    def _checked(self, driving: Iterable[Tensor]) -> Iterator[Tensor]:
        for frame in driving:
            check_frames("driving", frame[None])
            yield frame.to(self.face_device)

    def _check_prediction_type(self, scheduler: SchedulerMixin) -> None:
        expected = self.scheduler.config.prediction_type
        received = scheduler.config.get("prediction_type", "epsilon")
        if received != expected:
            raise ValueError(
                f"Expected a scheduler with prediction_type {expected!r}, received {received!r}. "
                "Build it with from_config(pipeline.scheduler.config)."
            )

    def _modules(self) -> tuple[torch.nn.Module, ...]:
        return (self.unet, self.inversion_unet, self.reenactment_encoder, self.semantic_encoder)


def _predict(unet: torch.nn.Module, x_t: Tensor, timestep: Tensor, semantic_code: Tensor) -> Tensor:
    """Call a UNet in its own dtype and memory format; everything around it is float32."""
    dtype = next(unet.parameters()).dtype
    sample = x_t.to(dtype=dtype, memory_format=torch.channels_last)
    return unet(sample, timestep, semantic_code.to(dtype)).sample.float()


def _fingerprint(*layers: torch.nn.Conv2d) -> str:
    weights = [layer.weight.detach().float().cpu().contiguous().numpy().tobytes() for layer in layers]
    return hashlib.sha256(b"".join(weights)).hexdigest()[:16]


def _offset(on_step: StepCallback | None, start: int, total: int) -> StepCallback | None:
    if on_step is None:
        return None
    return lambda done, _: on_step(start + done, total)
