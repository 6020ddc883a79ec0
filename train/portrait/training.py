"""The loop that trains the perception network. It writes nothing but what it is told to keep."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from diffusionact.perception.portrait_net import PortraitNet, PortraitReading

from .batches import PortraitBatch, PortraitFrames, augment
from .objective import PortraitObjective

WARM_UP_STEPS = 50
EMA_DECAY = 0.99
# Displacement of the truth where face and eyes are cut out in training, in extents of the landmarks.
CROP_SHIFT = 0.02
CROP_ZOOM = 0.06
LOG_EVERY = 25


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how fast.

    Attributes:
        steps: of the optimiser.
        people: in a batch, two images each.
        learning_rate: its largest value; warm-up, then a cosine down to 0.
        weight_decay: of AdamW.
        seed: of weights, order and augmentation.
        bf16: compute in bfloat16 where it is safe.
    """

    steps: int
    people: int
    learning_rate: float
    weight_decay: float
    seed: int
    bf16: bool


def train(
    network: PortraitNet,
    frames: PortraitFrames,
    objective: PortraitObjective,
    settings: TrainingSettings,
    keep: Callable[[PortraitNet, int], None],
    keep_every: int,
) -> PortraitNet:
    """Train and return the average of the late weights, in evaluation mode.

    Args:
        network: to be trained in place.
        frames: of the training people.
        objective: of the heads.
        settings: of the run.
        keep: called with the averaged network and the step every so often, for checkpoints.
        keep_every: steps between such calls.
    """
    rng, generator = (np.random.default_rng(settings.seed), torch.Generator().manual_seed(settings.seed))
    network.to(memory_format=torch.channels_last).train()
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, settings.steps))
    batches = frames.pairs(settings.people, rng)
    with tqdm(total=settings.steps, unit="step", mininterval=5) as bar:
        for step in range(1, settings.steps + 1):
            batch = augment(next(batches), generator)
            with torch.autocast("cpu", torch.bfloat16, enabled=settings.bf16):
                terms = objective.terms(*read_at_truth(network, batch, generator), batch)
                loss = objective.total(terms)
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"Expected a finite loss, received {loss.item()} at step {step}. Lower the rate."
                )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            averaged.update_parameters(network)
            bar.update()
            if step % LOG_EVERY == 0:
                bar.set_postfix_str(" ".join(f"{name} {value.item():.3f}" for name, value in terms.items()))
            if step % keep_every == 0 and step < settings.steps:
                keep(averaged.module.eval(), step)
    return averaged.module.eval()


def rate(step: int, steps: int) -> float:
    """Share of the learning rate at a step."""
    warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
    return warm_up * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


def read_at_truth(
    network: PortraitNet, batch: PortraitBatch, generator: torch.Generator
) -> tuple[PortraitReading, Tensor]:
    """Reading of a batch, and the landmarks as first found.

    Face, eyes and mouth are cut out near the truth, as far from it as a trained network's landmarks.
    """
    stages, fused = network.look(network.resize(batch.images))
    landmarks = network.find_landmarks(fused)
    crop_landmarks = displaced(batch.landmarks, generator)
    return network.read(batch.images, stages, fused, landmarks, crop_landmarks), landmarks


def displaced(landmarks: Tensor, generator: torch.Generator) -> Tensor:
    """Landmarks (B, 68, 2), each image's shifted and zoomed a little."""
    centre = landmarks.mean(1, keepdim=True)
    extent = (landmarks.amax(1, keepdim=True) - landmarks.amin(1, keepdim=True)).mean(-1, keepdim=True)
    shift = CROP_SHIFT * extent * torch.randn(len(landmarks), 1, 2, generator=generator)
    zoom = 1 + CROP_ZOOM * torch.randn(len(landmarks), 1, 1, generator=generator)
    return centre + zoom * (landmarks - centre) + shift
