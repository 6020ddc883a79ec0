"""Diffusion in training: noise levels, noisy images with their targets, and both directions of the sampler."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

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


@torch.no_grad()
def invert(unet: UNet, scheduler: DDIMScheduler, image: Tensor, semantic_code: Tensor, num_steps: int) -> Tensor:
    """DDIM inversion: images (B, 3, H, W) in [-1, 1] -> stochastic codes x_T of the same shape."""
    scheduler.set_timesteps(num_steps)
    x_t = image
    for timestep in scheduler.inversion_timesteps:
        prediction = unet(x_t, timestep, semantic_code).sample.float()
        x_t = scheduler.reverse_step(prediction, timestep, x_t).prev_sample
    return x_t


def sample(
    unet: UNet,
    scheduler: DDIMScheduler,
    x_T: Tensor,
    semantic_code: Tensor,
    num_steps: int,
    gradient_checkpointing: bool = False,
) -> Tensor:
    """Decode x_T (B, 3, H, W) with semantic codes (B, D) into images in [-1, 1], differentiably.

    Args:
        unet: predicts noise or v.
        scheduler: DDIM of its prediction type.
        x_T: stochastic codes.
        semantic_code: of the images to decode.
        num_steps: UNet calls; the graph of all of them is kept for the gradient.
        gradient_checkpointing: keep only the inputs of each call and compute it again on the way back, for memory.
    """
    scheduler.set_timesteps(num_steps)
    x_t = x_T
    for timestep in scheduler.timesteps:
        if gradient_checkpointing:
            prediction = checkpoint(_predict, unet, x_t, timestep, semantic_code, use_reentrant=False)
        else:
            prediction = _predict(unet, x_t, timestep, semantic_code)
        x_t = scheduler.step(prediction, timestep, x_t).prev_sample
    return x_t


def _predict(unet: UNet, x_t: Tensor, timestep: Tensor, semantic_code: Tensor) -> Tensor:
    return unet(x_t, timestep, semantic_code).sample.float()
