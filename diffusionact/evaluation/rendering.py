"""Images to measure: reenactments by any engine, and what only some engines can make.

Images come in and go out at the size of the frame set, whatever size a model works at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from ..face.geometry.alignment import transform_points
from ..face.geometry.resize import resize_crop, resize_points
from ..face.pose.extraction import LandmarkFrame
from ..face.readers.open.face_model import ALIGNED_SIZE
from ..generation import AlignedSource, Conditioning, Engine, Sampling
from ..images import resize
from ..types import CropTransform, FacePose, SourceCodes, concatenate, map_tensors
from .frame_set import Photo
from .protocols import RANDOM, Steps
from .targets import Target

ValueT = TypeVar("ValueT")
# Encoded photos that are kept, for protocols that share their sources.
MAX_KEPT_PHOTOS = 16


@runtime_checkable
class Reconstructs(Protocol):
    """An engine that can be asked for an image itself: the upper bound of its reenactments."""

    def reconstruct(self, image: Tensor, num_inversion_steps: int | None, sampling: Sampling) -> Tensor:
        """Images (B, 3, S, S) in [-1, 1], encoded and decoded with their own codes."""


@runtime_checkable
class StartsFromNoise(Protocol):
    """An engine that can leave the inversion out."""

    def random_codes(self, seeds: Sequence[int]) -> Mapping[str, Tensor]:
        """What `encode` gives, a row for each seed, with noise instead of the x_T of a source."""


@dataclass(frozen=True)
class Abilities:
    """What an engine can beyond `Engine`; see the protocols above."""

    reconstructs: bool
    starts_from_noise: bool

    @classmethod
    def of(cls, engine: Engine) -> Abilities:
        """By its methods."""
        return cls(isinstance(engine, Reconstructs), isinstance(engine, StartsFromNoise))


@dataclass(frozen=True)
class Job:
    """One pair to render.

    Attributes:
        name: seeds the noise where x_T is random.
        source: (1, 3, H, H) in [-1, 1].
        target: the poses of F driving frames, px of the same size.
        photo: what the source was cut from; None where nobody knows.
    """

    name: str
    source: Tensor
    target: Target
    photo: Photo | None = None


def sampling_of(steps: Steps, scheduler: str) -> Sampling:
    """How frames are sampled: "ddim" is the model's own scheduler."""
    return Sampling(steps.inference, None if scheduler == "ddim" else scheduler)


class Renderer:
    """Renders pairs with one engine.

    Args:
        engine: makes the frames.
        scheduler: name of the sampler, see `sampling_of`.
        batch_size: images that go through a network together; does not change the result.
    """

    def __init__(self, engine: Engine, scheduler: str, batch_size: int):
        self.engine = engine
        self.batch_size = batch_size
        self.scheduler = scheduler
        self.landmark_frame = LandmarkFrame(engine.landmark_frame, engine.sample_size)
        self._photos: dict[tuple[str, Steps], SourceCodes] = {}

    @torch.no_grad()
    def reenact(self, jobs: list[Job], steps: Steps) -> list[Tensor]:
        """Images (F, 3, H, H) of each job: the paper's inference, with the source's codes or random ones."""
        if len(jobs) > 1 and any(job.photo for job in jobs):
            # Codes of photos may differ in size, and are too large to have one for each frame.
            return [images for job in jobs for images in self.reenact([job], steps)]
        size = jobs[0].source.shape[-1]
        source = self._encode_photo(jobs[0], steps) if jobs[0].photo else self._encode(jobs, steps, size)
        wanted = self._in_landmark_frame([job.target.wanted for job in jobs], size)
        # Which source each frame is rendered from.
        owner = torch.tensor([number for number, job in enumerate(jobs) for _ in job.target.driving])
        rendered = [
            self._render(source if jobs[0].photo else rows_of(source, owner[rows]), rows_of(wanted, rows), steps)
            for rows in self._batches(len(owner))
        ]
        images = resize(torch.cat(rendered), size).cpu()
        return list(images.split([len(job.target.driving) for job in jobs]))

    @torch.no_grad()
    def reconstruct(self, images: Tensor, steps: Steps) -> Tensor:
        """Images (B, 3, H, H) encoded and decoded with their own codes; of engines that reconstruct."""
        large = self._at_sample_size(images)
        sampling = sampling_of(steps, self.scheduler)
        decoded = [
            self.engine.reconstruct(large[rows], steps.inversion, sampling) for rows in self._batches(len(large))
        ]
        return resize(torch.cat(decoded), images.shape[-1]).cpu()

    def _encode_photo(self, job: Job, steps: Steps) -> SourceCodes:
        """The source of one job, encoded or kept from an earlier one."""
        key = (job.photo.name, steps)
        if key not in self._photos or steps.inversion == RANDOM:
            if len(self._photos) >= MAX_KEPT_PHOTOS:
                del self._photos[next(iter(self._photos))]
            self._photos[key] = self._encode([job], steps, job.source.shape[-1])
        return self._photos[key]

    def _encode(self, jobs: list[Job], steps: Steps, size: int) -> SourceCodes:
        """The sources of all jobs, a row each."""
        images = self._at_sample_size(torch.cat([job.source for job in jobs]))
        own = self._in_landmark_frame([job.target.own for job in jobs], size)
        if steps.inversion == RANDOM:
            codes = self.engine.random_codes([_seed(job.name) for job in jobs])
        else:
            parts = [
                self.engine.encode(self._aligned(images[rows], rows_of(own, rows), jobs[rows]), steps.inversion)
                for rows in self._batches(len(jobs))
            ]
            codes = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        # Where results lie in the photo is not asked for.
        crop = CropTransform(torch.eye(2, 3).expand(len(jobs), 2, 3), self.engine.sample_size)
        return SourceCodes(images, crop, own.coefficients, own.frame, own.gaze, codes)

    def _aligned(self, images: Tensor, own: FacePose, jobs: list[Job]) -> AlignedSource:
        photo = jobs[0].photo
        if photo is None:
            return AlignedSource(images, own)
        return AlignedSource(images, own, photo.image, resize_crop(photo.crop, self.engine.sample_size))

    def _render(self, source: SourceCodes, pose: FacePose, steps: Steps) -> Tensor:
        conditioning = Conditioning(self.engine.condition(source, pose))
        return self.engine.render(source, conditioning, sampling_of(steps, self.scheduler))

    def _in_landmark_frame(self, poses: list[FacePose], size: int) -> FacePose:
        """Poses in px of images of `size`, drawn where the engine wants them."""
        pose = concatenate(poses)
        landmarks, pupils = (resize_points(points, size, ALIGNED_SIZE) for points in (pose.landmarks, pose.pupils))
        frame = self.landmark_frame.from_aligned(landmarks)
        return replace(
            pose,
            landmarks=transform_points(frame.matrix, landmarks),
            pupils=transform_points(frame.matrix, pupils),
            frame=frame,
        )

    def _at_sample_size(self, images: Tensor) -> Tensor:
        return resize(images.to(self.engine.device), self.engine.sample_size)

    def _batches(self, count: int) -> Iterator[slice]:
        for start in range(0, count, self.batch_size):
            yield slice(start, start + self.batch_size)


def rows_of(value: ValueT, rows: slice | Tensor) -> ValueT:
    """Some rows of one of the dataclasses in `types.py`; a row may come several times."""
    return map_tensors(value, lambda tensor: tensor[rows.to(tensor.device) if isinstance(rows, Tensor) else rows])


def _seed(name: str) -> int:
    """Another one for each name, the same in every run."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
