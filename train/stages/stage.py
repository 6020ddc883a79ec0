"""What the training loop asks of a stage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from diffusionact.images import uint8_to_model

from ..configs import TrainingConfig
from ..data.frames import Frames
from ..data.pairs import FrameOrder, PairOrder

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class Stage(ABC):
    """One stage of training: data, objective, validation and what is exported.

    Args:
        config: the run's configuration; `config.settings` is of the class `Settings`.
        frames: the data.
        device: of the networks and the batches.
        num_processes: processes that share the data.
        process: number of this process.

    Attributes:
        name: of the stage in configs and logs.
        Settings: dataclass of what only this stage understands.
        objective: the module to train; its forward takes a batch's entries as keywords and returns the loss (scalar)
            and a dict of scalars to log. It must use all its trainable parameters in every batch.
    """

    name: ClassVar[str]
    Settings: ClassVar[type]
    objective: nn.Module

    def __init__(
        self, config: TrainingConfig, frames: Frames, device: torch.device, num_processes: int = 1, process: int = 0
    ):
        self.config, self.settings, self.frames, self.device = config, config.settings, frames, device
        self.num_processes, self.process = num_processes, process

    @abstractmethod
    def batch(self, index: int) -> dict[str, Tensor]:
        """Batch number `index` of this process, a fixed function of seed and index, on the device.

        Random numbers belong to the positions of the samples (`data.noise.draw_noise`), so that several processes train
        as one with as many samples. Several threads may call this at once.
        """

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups for the optimiser; an "lr" in a group replaces the configured one."""
        return [{"params": [parameter for parameter in self.objective.parameters() if parameter.requires_grad]}]

    @abstractmethod
    def validate(self) -> tuple[Tensor, dict[str, float]]:
        """A grid of images (H, W, 3) uint8 and figures, on held-out data. Must not use the global random state."""

    @abstractmethod
    def components(self) -> dict[str, Any]:
        """What the model folder holds: folder name -> object with `save_pretrained`."""

    def write_index(self, folder: Path) -> None:
        """Add the pipeline's index to a model folder, once a stage has all the pipeline needs; nothing before."""
        return

    def enable_gradient_checkpointing(self) -> None:
        """Save memory by computing parts of the forward pass again on the way back; without effect where not meant."""
        return

    def images(self, name: str, chosen: np.ndarray) -> Tensor:
        """Frames of the data as the networks take them: (B, 3, H, W) in [-1, 1], on the device."""
        stored = self.frames.images(name, chosen).to(self.device)
        return uint8_to_model(stored).to(memory_format=torch.channels_last)

    def training_pairs(self) -> PairOrder:
        """Pairs of frames of one video, as far apart as the config says, for this process."""
        data, frames = self.config.data, self.frames
        order = FrameOrder(
            frames.training, self.config.loop.batch_size, self.num_processes, self.process, self.config.seed
        )
        head_pose = frames.facts("head_pose")
        return PairOrder(frames.video, order, head_pose, data.pair_distance_min, data.pair_distance_max)

    def frozen(self, module: ModuleT) -> ModuleT:
        """A network on the device that is used and not trained."""
        return module.to(self.device, memory_format=torch.channels_last).requires_grad_(False).eval()
