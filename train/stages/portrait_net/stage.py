"""The stage: batches of people, validation on held-out ones, and what is exported."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusionact.perception.open_perception import read_portrait_net
from diffusionact.perception.portrait_net import PortraitNet

from ...data.frames import Frames
from ...data.noise import generator_at
from ..stage import Stage
from ..validation import image_grid
from .accuracy import all_frames, measure
from .augmentation import augment, displace
from .batches import PeopleOrder, PortraitFrames
from .calibration import calibrate
from .objective import PortraitObjective, read_at

CLOSED_EYES = ("eyeBlinkLeft", "eyeBlinkRight")
STATISTICS_BATCHES = 16  # behind the batch norms of the averaged weights


@dataclass(frozen=True)
class PortraitNetConfig:
    """Constructor arguments of `PortraitNet`; `sample_size` is that of the data."""

    widths: tuple[int, ...] = (16, 32, 64, 96, 96)
    blocks: tuple[int, ...] = (0, 1, 1, 2, 0)
    fused_width: int = 32
    face_width: int = 80
    eye_width: int = 16
    mouth_width: int = 16
    hidden: int = 160
    identity_dim: int = 128


@dataclass(frozen=True)
class PortraitNetSettings:
    """Settings of the stage.

    Attributes:
        network: see its class.
        initial_network: folder of a network of the same architecture to go on from; None starts with a fresh one.
        held_out_folder: shards of people to validate on; None takes those that `data.validation_every` holds out.
        validation_images: columns of the validation grid.
        calibration_people: training people on whom the scales of the features are measured.
    """

    network: PortraitNetConfig = field(default_factory=PortraitNetConfig)
    initial_network: str | None = None
    held_out_folder: str | None = None
    validation_images: int = 8
    calibration_people: int = 64


class TrainPortraitNet(Stage):
    """Train a `PortraitNet`. A batch holds two images each of `loop.batch_size / 2` people.

    Raises:
        ValueError: if the batch size is odd or below 4, or `data.on_device` is set.
    """

    name: ClassVar[str] = "train_portrait_net"
    Settings: ClassVar[type] = PortraitNetSettings

    def __init__(self, config, frames: Frames, device: torch.device, num_processes: int = 1, process: int = 0):
        super().__init__(config, frames, device, num_processes, process)
        self._check_config()
        self.people = PortraitFrames(frames, frames.training)
        self.order = PeopleOrder(self.people, config.loop.batch_size // 2, config.seed)
        self.held_out = self._held_out()
        self.network = PortraitNet(sample_size=frames.sample_size, **vars(self.settings.network))
        if self.settings.initial_network is not None:
            self.network.load_state_dict(read_portrait_net(self.settings.initial_network).state_dict())
        blinks = [frames.expression_names.index(name) for name in CLOSED_EYES]
        self.objective = PortraitObjective(self.network, self.people.targets, blinks)
        self.objective.to(device, memory_format=torch.channels_last).train()

    def batch(self, index: int) -> dict[str, Tensor]:
        """Augmented images with their truth, which moved along."""
        number = index * self.num_processes + self.process
        generator = generator_at(self.config.seed, number)
        batch = augment(self.people.batch(self.order.rows(number)), generator)
        crop_landmarks = displace(batch.landmarks, generator)
        return {
            name: value.to(self.device) for name, value in (vars(batch) | {"crop_landmarks": crop_landmarks}).items()
        }

    @torch.no_grad()
    def validate(self) -> tuple[Tensor, dict[str, float]]:
        """Rows: image, true landmarks, read landmarks, read regions (background, person, face as red, green, blue)."""
        network = self._finished_network()
        shown = self.held_out.batch(self.held_out.rows[: self.settings.validation_images])
        with torch.autocast(self.device.type, enabled=False):
            reading = network(shown.images.to(self.device))
            figures = measure(network, self.held_out)
        rows = [shown.images, _dotted(shown.images, shown.landmarks), _dotted(shown.images, reading.landmarks.cpu())]
        return image_grid([*rows, reading.parsing.cpu().softmax(dim=1) * 2 - 1]), figures

    def components(self) -> dict[str, Any]:
        """The network in float16, as `read_portrait_net` and `load_open_perception` read it."""
        return {"portrait_net": self._finished_network().half().to(memory_format=torch.contiguous_format)}

    @torch.no_grad()
    def _finished_network(self) -> PortraitNet:
        """A copy with the weights as they are now, statistics of batch norms that fit them, and measured scales."""
        network = copy.deepcopy(self.network).requires_grad_(False)
        with torch.autocast(self.device.type, enabled=False):
            self._measure_statistics(network)
            people = min(self.settings.calibration_people, len(self.people.several))
            images = self.people.pairs(people, np.random.default_rng(self.config.seed)).images.to(self.device)
            calibrate(network.eval(), images[0::2], images[1::2])
        return network

    def _measure_statistics(self, network: PortraitNet) -> None:
        """Batch norms keep statistics of the weights of late steps; averaged weights need their own."""
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over the batches
        network.train()
        for index in range(STATISTICS_BATCHES):
            batch = self.batch(index)
            read_at(network, batch["images"], batch["crop_landmarks"])

    def _held_out(self) -> PortraitFrames:
        if self.settings.held_out_folder is None:
            return PortraitFrames(self.frames, self.frames.validation)
        return all_frames(Path(self.settings.held_out_folder), self.frames.sample_size)

    def _check_config(self) -> None:
        size = self.config.loop.batch_size
        if size < 4 or size % 2:
            raise ValueError(
                f"Expected an even loop.batch_size of at least 4 for {self.name}, received {size}. A batch holds two "
                "images of a person, and people are told apart within it."
            )
        if self.config.data.on_device:
            raise ValueError(
                f"Expected data.on_device=false for {self.name}, whose images are augmented on the CPU, received true. "
                "Leave the key out."
            )


def _dotted(images: Tensor, landmarks: Tensor) -> Tensor:
    """Images (B, 3, H, H) in [-1, 1] with a white pixel at each landmark (B, 68, 2) px."""
    column, row = landmarks.round().long().clamp(0, images.shape[-1] - 1).unbind(dim=-1)
    cell = F.one_hot(row * images.shape[-1] + column, images.shape[-1] ** 2).amax(dim=1)
    return torch.where(cell.reshape(len(images), 1, *images.shape[-2:]).bool(), 1.0, images)
