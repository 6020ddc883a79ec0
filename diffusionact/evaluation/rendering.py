"""Images to measure: a model's reenactments and reconstructions, and the baselines.

Images come in and go out at the size of the frame set, whatever size a model works at.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from ..face.geometry.alignment import transform_points
from ..face.geometry.resize import resize_points
from ..face.readers.open.face_model import ALIGNED_SIZE
from ..images import resize
from ..pipelines import DiffusionActPipeline
from ..schedulers import make_scheduler
from .protocols import RANDOM, Steps
from .targets import Target


@dataclass(frozen=True)
class Job:
    """One pair to render.

    Attributes:
        name: seeds the noise where x_T is random.
        source: (1, 3, H, H) in [-1, 1].
        target: landmarks of F driving frames, px of the same size.
    """

    name: str
    source: Tensor
    target: Target


class Renderer:
    """Renders pairs with one model.

    Args:
        pipeline: the model.
        scheduler: name of the sampler; "ddim" is the model's own.
        batch_size: images that go through a network together; does not change the result.
    """

    def __init__(self, pipeline: DiffusionActPipeline, scheduler: str, batch_size: int):
        self.pipeline = pipeline
        self.batch_size = batch_size
        self.scheduler = None if scheduler == "ddim" else make_scheduler(scheduler, pipeline.scheduler.config)

    @torch.no_grad()
    def reenact(self, jobs: list[Job], steps: Steps) -> list[Tensor]:
        """Images (F, 3, H, H) of each job: the paper's inference, with the source's x_T or a random one."""
        size = jobs[0].source.shape[-1]
        sources = self._placed(torch.cat([job.source for job in jobs]))
        own_maps = self._maps([(job.target.own_landmarks, job.target.own_pupils) for job in jobs], size)
        own_codes = self._codes(sources, own_maps)
        x_T = self._noise(jobs) if steps.inversion == RANDOM else self._invert(sources, own_codes, steps.inversion)
        owner = [place for place, job in enumerate(jobs) for _ in job.target.driving]
        maps = self._maps([(job.target.landmarks, job.target.pupils) for job in jobs], size)
        images = self._sample(x_T[owner], self._codes(sources[owner], maps), steps.inference)
        return list(resize(images, size).cpu().split([len(job.target.driving) for job in jobs]))

    @torch.no_grad()
    def reconstruct(self, images: Tensor, steps: Steps) -> Tensor:
        """Images (B, 3, H, H) encoded and decoded with their own semantic code and their own x_T."""
        placed = self._placed(images)
        codes = torch.cat([self.pipeline.semantic_encoder(batch) for batch in placed.split(self.batch_size)])
        decoded = self._sample(self._invert(placed, codes, steps.inversion), codes, steps.inference)
        return resize(decoded, images.shape[-1]).cpu()

    def _placed(self, images: Tensor) -> Tensor:
        return resize(images.to(self.pipeline.device), self.pipeline.sample_size)

    def _maps(self, points: list[tuple[Tensor, Tensor]], size: int) -> Tensor:
        landmarks, pupils = (resize_points(torch.cat(parts), size, ALIGNED_SIZE) for parts in zip(*points, strict=True))
        frame = self.pipeline.landmark_frame.from_aligned(landmarks)
        return self.pipeline.draw_landmarks(
            transform_points(frame.matrix, landmarks), transform_points(frame.matrix, pupils)
        )

    def _codes(self, sources: Tensor, maps: Tensor) -> Tensor:
        batches = zip(sources.split(self.batch_size), maps.split(self.batch_size), strict=True)
        return torch.cat([self.pipeline.reenactment_encoder(*batch) for batch in batches])

    def _invert(self, images: Tensor, codes: Tensor, steps: int | None) -> Tensor:
        batches = zip(images.split(self.batch_size), codes.split(self.batch_size), strict=True)
        return torch.cat([self.pipeline.invert(*batch, steps) for batch in batches])

    def _sample(self, x_T: Tensor, codes: Tensor, steps: int | None) -> Tensor:
        batches = zip(x_T.split(self.batch_size), codes.split(self.batch_size), strict=True)
        return torch.cat([self.pipeline.sample(*batch, steps, self.scheduler) for batch in batches])

    def _noise(self, jobs: list[Job]) -> Tensor:
        """x_T from N(0, I), another one for each pair, the same in every run."""
        shape = (1, 3, self.pipeline.sample_size, self.pipeline.sample_size)
        seeds = [int.from_bytes(hashlib.sha256(job.name.encode()).digest()[:8], "big") >> 1 for job in jobs]
        noise = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.cat(noise).to(self.pipeline.device)
