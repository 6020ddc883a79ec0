"""Decoding that begins at the warped source: fewer UNet calls a frame, at the price of what the warp cannot know.

The source photo is warped into the driver's pose by geometry, and taken to an intermediate timestep of the schedule by
DDIM's forward formula with the source's own x_T as its noise; the sampler goes on from there.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import torch
from torch import Tensor

from ..checks import check_finite, check_in_range
from ..face.geometry.alignment import compose_transforms, invert_transform, transform_points
from ..face.geometry.resize import resize_transform
from ..types import FacePose, SourceCodes
from ..warping.placement import ALIGNED_SIZE
from .conditioning import Conditioning, check_made_for
from .diffusion import DiffusionEngine
from .engine import AlignedSource
from .sampling import PreviewCallback, Sampling, StepCallback, sample_from_images
from .warp import CONDITIONS, WarpConfig, WarpEngine

MAX_SHARE = 0.95

logger = logging.getLogger(__name__)


class WarmStartEngine(DiffusionEngine):
    """A diffusion engine whose frames start at the warped source; see `Engine`.

    Codes and conditioning are those of the diffusion engine and of the engine `warp` together. Faces must be read with
    the face model "open", which the warp knows.

    Args:
        engine: whose networks are used, on their device.
        share: of the schedule that is skipped, from 0 to 0.95: 0.5 of 20 steps leaves 10 UNet calls.

    Raises:
        ValueError: if the share is out of range.
    """

    def __init__(self, engine: DiffusionEngine, share: float):
        check_in_range("the warm start's share of the schedule", share, 0.0, MAX_SHARE)
        super().__init__(engine.components)
        self.share = share
        self.warp = WarpEngine(WarpConfig(sample_size=self.sample_size)).to(self.device)
        self.fingerprint = f"{engine.fingerprint}-{self.warp.fingerprint}"
        if self.config.landmark_frame == "crop224":
            logger.warning("The warm start has not been measured with the official model; compare with and without it")

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> WarmStartEngine:
        """See `Engine`."""
        super().to(device, dtype)
        self.warp.to(device)
        return self

    def encode(
        self, source: AlignedSource, num_inversion_steps: int | None = None, on_step: StepCallback | None = None
    ) -> dict[str, Tensor]:
        """See `Engine`; makes the photo ready to be warped, too."""
        codes = super().encode(source, num_inversion_steps, on_step)
        return codes | self.warp.encode(replace(source, pose=self._in_image(source.pose)))

    def condition(self, source: SourceCodes, pose: FacePose) -> dict[str, Tensor]:
        """See `Engine`."""
        return super().condition(source, pose) | self.warp.condition(source, pose)

    def render(
        self,
        source: SourceCodes,
        conditioning: Conditioning,
        sampling: Sampling,
        on_step: StepCallback | None = None,
        on_preview: PreviewCallback | None = None,
    ) -> Tensor:
        """See `Engine`; `steps_per_frame` UNet calls per frame, and one warp."""
        check_made_for(self.name, source.codes, ("stochastic_code",))
        check_made_for(self.name, conditioning.tensors, ("semantic_code", *CONDITIONS))
        warped = self.warp.render(source, conditioning, sampling).to(self.device)
        scheduler, steps = self._scheduler(sampling.scheduler), super().steps_per_frame(sampling)
        code = Conditioning({"semantic_code": conditioning["semantic_code"]})
        x_T = source.codes["stochastic_code"].expand(len(conditioning), -1, -1, -1)
        skipped = steps - self.steps_per_frame(sampling)
        model = self._decoding(sampling)
        images = sample_from_images(model, scheduler, warped, x_T, code, steps, skipped, on_step, on_preview)
        check_finite("the reenacted images", images)
        return images.clamp(-1.0, 1.0)

    def steps_per_frame(self, sampling: Sampling) -> int:
        """See `Engine`; at least one of the sampling's steps is left."""
        steps = super().steps_per_frame(sampling)
        return max(1, steps - round(self.share * steps))

    def check_sampling(self, sampling: Sampling) -> None:
        """See `Engine`; the schedule is that of all steps."""
        self.decoder(sampling)
        self._scheduler(sampling.scheduler).set_timesteps(super().steps_per_frame(sampling))

    def activation_bytes(self, num_frames: int) -> int:
        """See `Engine`."""
        return super().activation_bytes(num_frames) + self.warp.activation_bytes(num_frames)

    def _in_image(self, pose: FacePose) -> FacePose:
        """The pose with its landmarks in px of the aligned image, where the warp looks for the face."""
        to_image = resize_transform(ALIGNED_SIZE, self.sample_size).to(pose.landmarks)
        back = compose_transforms(to_image.expand(len(pose.landmarks), 2, 3), invert_transform(pose.frame.matrix))
        return replace(pose, landmarks=transform_points(back, pose.landmarks))
