"""Diffusion in training: noise levels and targets, and the UNet as `diffusionact.generation.sampling` calls a model."""

from __future__ import annotations

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from diffusionact.generation import Conditioning
from diffusionact.generation.sampling import Model
from diffusionact.models import UNet
from diffusionact.schedulers import DDIMScheduler


def timesteps_from(uniform: Tensor, num_train_timesteps: int, exponent: float) -> Tensor:
    """(B,) timesteps t = T u^exponent of numbers u uniform in [0, 1); an exponent below 1 prefers noisy ones."""
    return (num_train_timesteps * uniform**exponent).long().clamp(max=num_train_timesteps - 1)


def prediction_target(scheduler: DDIMScheduler, image: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """What the UNet should predict: the noise, or v."""
    if scheduler.config.prediction_type == "epsilon":
        return noise
    return scheduler.get_velocity(image, noise, timesteps)


def unet_model(unet: UNet) -> Model:
    """The UNet as the library's sampling loops call a model; the conditioning's tensors are its arguments."""

    def model(x_t: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        return unet(x_t, timestep, **conditioning.tensors).sample.float()

    return model


def checkpointed(model: Model) -> Model:
    """A model that keeps only the inputs of each call and computes it again on the way back: less memory, more time."""

    def recomputed(x_t: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        return checkpoint(model, x_t, timestep, conditioning, use_reentrant=False)

    return recomputed


def semantic(code: Tensor) -> Conditioning:
    """The diffusion engine's conditioning of semantic codes (B, D)."""
    return Conditioning({"semantic_code": code})
