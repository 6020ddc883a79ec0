"""Stage 2 of the paper: the reenactment encoder learns from decoded images, through the differentiable sampler."""

from __future__ import annotations

from typing import ClassVar

from .reenactment import ReenactmentStage


class TrainEncoder(ReenactmentStage):
    """Train the reenactment encoder; the UNet stays as it was."""

    name: ClassVar[str] = "train_encoder"
