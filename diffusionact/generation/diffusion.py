"""The paper's engine: a semantic code per frame from the reenactment encoder, decoded by DDIM from the source's x_T.

The sampler's arithmetic is float32, whatever the UNets' dtype; the encoders stay float32, as in the official code.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor, nn

from ..checks import check_finite, check_images
from ..face.pose.landmark_map import draw_landmark_map, landmark_map_at
from ..models import UNet
from ..schedulers import DISTILLED, make_scheduler
from ..types import FacePose, SourceCodes
from .components import ModelComponents, PipelineConfig, load_components, save_components
from .conditioning import Conditioning, check_made_for
from .engine import AlignedSource
from .engine_names import DIFFUSION
from .sampling import Model, PreviewCallback, Sampling, StepCallback, invert, sample

# Memory of a UNet call beyond its weights, as a multiple of the first level's float32 activations. Measured on a CPU:
# 11 to 16 for the demo model and the official architecture.
ACTIVATION_LEVELS = 20


class DiffusionEngine:
    """The diffusion autoencoder with its reenactment encoder; see `Engine`.

    Codes: "semantic_code" (B, D), "stochastic_code" (B, 3, S, S). Conditioning: "semantic_code" (F, D).

    Args:
        components: the networks, the scheduler and the model's settings.

    Attributes:
        unet: decodes; fine-tuned in the official model.
        inversion_unet: finds x_T; the same object as `unet` in models whose decoder was not fine-tuned.
        distilled_unet: decodes with the sampler "distilled"; None in models without one.
        compiled: decoder -> what is called in its place, see `acceleration`.
        reenactment_encoder, semantic_encoder, scheduler, config: see `ModelComponents`.
    """

    name = DIFFUSION
    independent_frames = True  # the noise is the source's x_T, and no sampler of ours adds any

    def __init__(self, components: ModelComponents):
        self.components = components
        self.unet = components.unet
        self.inversion_unet = components.inversion_unet
        self.distilled_unet = components.distilled_unet
        self.reenactment_encoder = components.reenactment_encoder
        self.semantic_encoder = components.semantic_encoder
        self.scheduler = components.scheduler
        self.config: PipelineConfig = components.config
        self.compiled: dict[nn.Module, nn.Module] = {}
        self.fingerprint = _fingerprint(self.inversion_unet.conv_in, self.reenactment_encoder.encoder.conv_in)
        for module in self.modules:
            module.eval().requires_grad_(False)

    @classmethod
    def from_folder(cls, folder: Path, index: Mapping[str, Any]) -> DiffusionEngine:
        """Load a model folder, on the CPU in float32; its index file is read again with the rest."""
        return cls(load_components(folder))

    def save(self, folder: Path) -> None:
        """See `Engine`."""
        save_components(self.components, folder)

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """See `Engine`; one UNet may do both."""
        return (*self._unets, self.reenactment_encoder, self.semantic_encoder)

    @property
    def _unets(self) -> tuple[nn.Module, ...]:
        every = (self.unet, self.inversion_unet, self.distilled_unet)
        return tuple({id(unet): unet for unet in every if unet is not None}.values())

    @property
    def device(self) -> torch.device:
        """See `Engine`."""
        return next(self.unet.parameters()).device

    @property
    def sample_size(self) -> int:
        """See `Engine`."""
        return self.unet.config.sample_size

    @property
    def landmark_frame(self) -> str:
        """See `Engine`."""
        return self.config.landmark_frame

    @property
    def presets(self) -> Mapping[str, Sampling]:
        """See `Engine`."""
        return self.config.presets

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> DiffusionEngine:
        """See `Engine`; `dtype` is for the UNets only."""
        self.compiled.clear()
        for module in self.modules:
            module.to(device)
        for unet in self._unets:
            # diffusers' own `to` warns about an empty list of float32 modules.
            nn.Module.to(unet, dtype=dtype, memory_format=torch.channels_last)
        return self

    def encode(
        self, source: AlignedSource, num_inversion_steps: int | None = None, on_step: StepCallback | None = None
    ) -> dict[str, Tensor]:
        """See `Engine`; costs `num_inversion_steps` UNet calls."""
        semantic_code = self.reenactment_encoder(source.image, self.landmark_map(source.pose))
        x_T = self.invert(source.image, semantic_code, num_inversion_steps, on_step)
        return {"semantic_code": semantic_code, "stochastic_code": x_T}

    def condition(self, source: SourceCodes, pose: FacePose) -> dict[str, Tensor]:
        """See `Engine`; one encoder pass per frame."""
        landmark_map = self.landmark_map(pose)
        image = source.image.expand(len(landmark_map), -1, -1, -1)
        return {"semantic_code": self.reenactment_encoder(image, landmark_map)}

    def render(
        self,
        source: SourceCodes,
        conditioning: Conditioning,
        sampling: Sampling,
        on_step: StepCallback | None = None,
        on_preview: PreviewCallback | None = None,
    ) -> Tensor:
        """See `Engine`; `steps_per_frame` UNet calls per frame.

        Raises:
            ValueError: if the scheduler was made for another prediction type than the model's.
        """
        check_made_for(self.name, source.codes, ("stochastic_code",))
        check_made_for(self.name, conditioning.tensors, ("semantic_code",))
        x_T = source.codes["stochastic_code"].expand(len(conditioning), -1, -1, -1)
        return self._decode(x_T, conditioning, sampling, on_step, on_preview)

    def encode_steps(self, num_inversion_steps: int | None = None) -> int:
        """See `Engine`."""
        return num_inversion_steps or self.config.num_inversion_steps

    def check_sampling(self, sampling: Sampling) -> None:
        """See `Engine`."""
        self.decoder(sampling)
        self._scheduler(sampling.scheduler).set_timesteps(self.steps_per_frame(sampling))

    def steps_per_frame(self, sampling: Sampling) -> int:
        """See `Engine`."""
        return sampling.num_inference_steps or self.config.num_inference_steps

    def activation_bytes(self, num_frames: int) -> int:
        """See `Engine`."""
        config = self.unet.config
        pixels = num_frames * self.sample_size**2 / config.patch_size**2
        return round(ACTIVATION_LEVELS * config.block_out_channels[0] * pixels * 4)

    @torch.no_grad()
    def invert(
        self,
        image: Tensor,
        semantic_code: Tensor,
        num_inversion_steps: int | None = 50,
        on_step: StepCallback | None = None,
    ) -> Tensor:
        """DDIM inversion: the stochastic code x_T (B, 3, S, S) from which `semantic_code` renders `image`.

        Args:
            image: (B, 3, S, S) in [-1, 1].
            semantic_code: (B, D).
            num_inversion_steps: None takes the model's own number.
            on_step: called after every UNet call with (done, total).
        """
        check_images("image", image)
        conditioning = Conditioning({"semantic_code": semantic_code})
        steps = self.encode_steps(num_inversion_steps)
        x_T = invert(calling(self.inversion_unet), self._scheduler(None), image, conditioning, steps, on_step)
        check_finite("x_T of the source", x_T)
        return x_T

    def random_codes(self, seeds: Sequence[int]) -> dict[str, Tensor]:
        """Codes to render from without inversion, a row for each seed: x_T from N(0, I), the same in every run."""
        shape = (1, 3, self.sample_size, self.sample_size)
        noise = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return {"stochastic_code": torch.cat(noise).to(self.device)}

    @torch.no_grad()
    def reconstruct(self, image: Tensor, num_inversion_steps: int | None, sampling: Sampling) -> Tensor:
        """Images (B, 3, S, S) in [-1, 1], encoded and decoded with their own semantic code and their own x_T."""
        semantic_code = self.semantic_encoder(image)
        x_T = self.invert(image, semantic_code, num_inversion_steps)
        return self.sample(x_T, semantic_code, sampling.num_inference_steps, sampling.scheduler)

    @torch.no_grad()
    def sample(
        self,
        x_T: Tensor,
        semantic_code: Tensor,
        num_inference_steps: int | None = 20,
        scheduler: SchedulerMixin | str | None = None,
        on_step: StepCallback | None = None,
    ) -> Tensor:
        """Decode x_T (B, 3, S, S) with semantic codes (B, D) into images (B, 3, S, S) in [-1, 1].

        Raises:
            ValueError: if `scheduler` was made for another prediction type than the model's.
        """
        conditioning = Conditioning({"semantic_code": semantic_code})
        return self._decode(x_T, conditioning, Sampling(num_inference_steps, scheduler), on_step)

    def _decode(
        self,
        x_T: Tensor,
        conditioning: Conditioning,
        sampling: Sampling,
        on_step: StepCallback | None = None,
        on_preview: PreviewCallback | None = None,
    ) -> Tensor:
        scheduler, steps = self._scheduler(sampling.scheduler), self.steps_per_frame(sampling)
        images = sample(self._decoding(sampling), scheduler, x_T, conditioning, steps, on_step, on_preview)
        check_finite("the reenacted images", images)
        # Our DDIM ends within the range; solvers of diffusers leave it a little.
        return images.clamp(-1.0, 1.0)

    def decoder(self, sampling: Sampling) -> UNet:
        """The UNet that decodes with a sampler: its own for "distilled", else the model's.

        Raises:
            ValueError: if the model has no UNet for it.
        """
        if sampling.scheduler != DISTILLED:
            return self.unet
        if self.distilled_unet is None:
            raise ValueError(
                f"Expected a model with a decoder of few steps for the scheduler {DISTILLED!r}, received one without. "
                "Choose ddim_quad or dpm, or train one: docs/training.md."
            )
        return self.distilled_unet

    def _decoding(self, sampling: Sampling) -> Model:
        unet = self.decoder(sampling)
        return calling(self.compiled.get(unet, unet))

    def landmark_map(self, pose: FacePose) -> Tensor:
        """Draw poses as the (F, 3, S, S) condition of the reenactment encoder."""
        return self.draw_landmarks(pose.landmarks, pose.pupils)

    def draw_landmarks(self, landmarks: Tensor, pupils: Tensor) -> Tensor:
        """Draw landmarks (F, 68, 2) and pupils (F, 2, 2), px of the model's landmark frame, as that condition."""
        if self.config.landmark_frame == "crop224":
            # The official model draws the numbers of its 224 px crop on a canvas of the image's size, as they are.
            drawn = draw_landmark_map(landmarks, pupils, self.sample_size)
        else:
            drawn = landmark_map_at(landmarks, pupils, self.sample_size, self.config.landmark_canvas)
        return drawn.to(self.device)

    def _scheduler(self, scheduler: SchedulerMixin | str | None) -> SchedulerMixin:
        """The scheduler that a caller asks for; those by name, and a copy of its own, are made anew."""
        if scheduler is None:
            return copy.copy(self.scheduler)  # its timesteps are set, and jobs must not disturb each other
        if isinstance(scheduler, str):
            return make_scheduler(scheduler, self.scheduler.config)
        expected, received = self.scheduler.config.prediction_type, scheduler.config.get("prediction_type", "epsilon")
        if received != expected:
            raise ValueError(
                f"Expected a scheduler with prediction_type {expected!r}, received {received!r}. "
                "Build it with from_config(pipeline.scheduler.config)."
            )
        return scheduler


def calling(unet: nn.Module) -> Model:
    """The UNet as the sampling loops call it: in its own dtype and memory format; everything around it is float32."""

    def model(x_t: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        dtype = next(unet.parameters()).dtype
        inputs = {name: tensor.to(dtype) for name, tensor in conditioning.tensors.items()}
        return unet(x_t.to(dtype=dtype, memory_format=torch.channels_last), timestep, **inputs).sample.float()

    return model


def _fingerprint(*layers: nn.Conv2d) -> str:
    weights = [layer.weight.detach().float().cpu().contiguous().numpy().tobytes() for layer in layers]
    return hashlib.sha256(b"".join(weights)).hexdigest()[:16]
