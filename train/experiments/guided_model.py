"""A guided diffusion model of what the warp lacks: x_0 is truth less warp inside a gate, and there alone is noise.

The UNet sees the warp as a guide and a code of the paper's ReenactmentEncoder; it predicts v.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn

from diffusionact.models import ReenactmentEncoder, UNet

Model = TypeVar("Model", bound="GuidedModel")
Input = TypeVar("Input", bound="GuidedInput")


class GuidedInput:
    """What a model is given of B images: a kind is a dataclass of tensors, these and others.

    Attributes:
        warped: (B, 3, S, S) in [-1, 1], drawn by the warp.
        gate: (B, 1, S, S) in [0, 1], where the model may change it.
    """

    warped: Tensor
    gate: Tensor

    @classmethod
    def joined(cls: type[Input], parts: list[Input]) -> Input:
        """All of them in one batch."""
        return cls(*(torch.cat(layers) for layers in zip(*(vars(part).values() for part in parts), strict=True)))


class GuidedModel(nn.Module):
    """An encoder and a guided UNet; sampled by DDIM in one to four steps. A kind says what they are given.

    Args:
        encoder: of the code.
        unet: with as many guide channels as `guide` gives.
    """

    def __init__(self, encoder: ReenactmentEncoder, unet: UNet):
        super().__init__()
        self.encoder = encoder
        self.unet = unet

    def code(self, given: Any) -> Tensor:
        """(B, D) the semantic codes."""
        raise NotImplementedError

    def guide(self, given: Any) -> Tensor:
        """(B, C, S, S) what the UNet sees beside x_t."""
        raise NotImplementedError

    def forward(self, x_t: Tensor, timestep: Tensor | int, code: Tensor, given: Any) -> Tensor:
        """(B, 3, S, S) v inside the gate, 0 outside, for x_t (B, 3, S, S) that is 0 outside."""
        return given.gate * self.unet(x_t, timestep, code, guide=self.guide(given)).sample

    def sample(self, given: Any, noise: Tensor, steps: int, code: Tensor | None = None) -> Tensor:
        """(B, 3, S, S) what to add to the warp; `noise` (B, 3, S, S) is x_T before the gate.

        `code` (B, D) takes the place of the inputs' own.
        """
        scheduler = few_step_scheduler()
        scheduler.set_timesteps(steps, device=noise.device)
        code, x_t = self.code(given) if code is None else code, given.gate * noise
        for timestep in scheduler.timesteps:
            prediction = self(x_t, timestep, code, given)
            x_t = scheduler.step(prediction, timestep, x_t).prev_sample
        return x_t

    def save(self, folder: Path) -> None:
        """Write both networks, as safetensors."""
        self.encoder.save_pretrained(folder / "encoder")
        self.unet.save_pretrained(folder / "unet")

    @classmethod
    def load(cls: type[Model], folder: Path) -> Model:
        """The model that `save` wrote."""
        model = cls.__new__(cls)
        encoder, unet = ReenactmentEncoder.from_pretrained(folder / "encoder"), UNet.from_pretrained(folder / "unet")
        GuidedModel.__init__(model, encoder, unet)
        return model.eval()


def few_step_scheduler() -> DDIMScheduler:
    """DDIM of diffusers: the last step is pure noise, and few steps begin there, which ours does not offer."""
    return DDIMScheduler(
        beta_start=1e-4,
        beta_end=0.02,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        clip_sample=True,
    )
