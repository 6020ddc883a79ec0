"""The stage: which images and random numbers a batch has, its sample sheets, and what is exported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusionact.generation.directions_folder import set_mean_latent
from diffusionact.models import StyleGAN2

from ...data.frames import Frames
from ...data.noise import generator_at
from ...data.pairs import FrameOrder
from ..stage import Stage
from ..validation import image_grid
from .augmentation import NUM_DRAWS
from .discriminator import Discriminator
from .objective import GeneratorObjective

SHEET_ROWS = 4
SHEET_TRUNCATION = 0.7


@dataclass(frozen=True)
class GeneratorConfig:
    """Constructor arguments of `StyleGAN2`; the number of channels must fit the data's size."""

    channels: tuple[int, ...] = (128, 96, 64, 32)
    style_dim: int = 128
    mapping_layers: int = 4


@dataclass(frozen=True)
class GeneratorSettings:
    """Settings of the stage.

    Attributes:
        generator: see its class.
        discriminator_channels: of every level, 4 px first.
        mixing: share of the images whose code comes from two draws.
        r1_weight, r1_every, real_sign, ramp_images: see `GeneratorObjective`.
        validation_images: columns of the sample sheet.
    """

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator_channels: tuple[int, ...] = (128, 96, 64, 32)
    mixing: float = 0.5
    r1_weight: float = 0.05
    r1_every: int = 16
    real_sign: float = 0.6
    ramp_images: int = 200_000
    validation_images: int = 8


class TrainGenerator(Stage):
    """Train a generator and its discriminator on single frames.

    Raises:
        ValueError: if the channels are for images of another size than the data's.
    """

    name: ClassVar[str] = "train_generator"
    Settings: ClassVar[type] = GeneratorSettings

    def __init__(self, config, frames: Frames, device: torch.device, num_processes: int = 1, process: int = 0):
        super().__init__(config, frames, device, num_processes, process)
        settings: GeneratorSettings = config.settings
        self.generator = StyleGAN2(**vars(settings.generator))
        self._check_levels()
        self.objective = GeneratorObjective(
            self.generator,
            Discriminator(settings.discriminator_channels),
            settings.r1_weight,
            settings.r1_every,
            settings.real_sign,
            settings.ramp_images,
        )
        self.objective.to(device, memory_format=torch.channels_last).train()
        self.order = FrameOrder(frames.training, config.loop.batch_size, num_processes, process, config.seed)
        if config.data.on_device:
            frames.move_to(device, ("image",))

    def batch(self, index: int) -> dict[str, Any]:
        """Real images, and the random numbers of the drawn ones and of the augmentation."""
        entries = [self._draw(generator_at(self.config.seed, place)) for place in self.order.positions(index)]
        z, crossover, draws = (torch.stack(parts).to(self.device) for parts in zip(*entries, strict=True))
        return {
            "real": self.images("image", self.order.batch(index)),
            "z": z,
            "crossover": crossover,
            "draws": draws.transpose(0, 1),
            "penalise": index % self.settings.r1_every == 0,
        }

    @torch.no_grad()
    def validate(self) -> tuple[Tensor, dict[str, float]]:
        """Rows: held-out frames, then drawn images, then the same drawn nearer to the mean; and mean scores."""
        columns, generator = self.settings.validation_images, self.generator
        real = self.images("image", self.frames.validation[:columns])
        z = torch.randn(SHEET_ROWS * columns, generator.config.style_dim, generator=torch.Generator().manual_seed(0))
        set_mean_latent(generator)
        w = generator.mapping(z.to(self.device))[:, None].expand(-1, generator.num_rows, -1)
        drawn = generator(w)
        nearer = generator(generator.truncate(w[:columns], SHEET_TRUNCATION))
        score = self.objective.discriminator
        figures = {"score_held_out": float(score(real).mean()), "score_drawn": float(score(drawn).mean())}
        rows = [real, *drawn.split(columns), nearer]
        return image_grid([row[: len(real)].clamp(-1, 1) for row in rows]), figures

    def components(self) -> dict[str, Any]:
        """The generator, with the mean latent of its weights as they are now."""
        set_mean_latent(self.generator)
        return {"generator": self.generator}

    def _draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Of one image: two z, the row from which the second counts, uniform numbers of the augmentation."""
        rows = self.generator.num_rows
        z = torch.randn(2, self.generator.config.style_dim, generator=generator)
        row = torch.randint(1, rows, (), generator=generator)
        is_mixed = torch.rand((), generator=generator) < self.settings.mixing
        return z, torch.where(is_mixed, row, rows), torch.rand(2, NUM_DRAWS, generator=generator)

    def _check_levels(self) -> None:
        levels = {len(self.generator.config.channels), len(self.settings.discriminator_channels)}
        if levels != {len(self.generator.config.channels)} or self.generator.sample_size != self.frames.sample_size:
            raise ValueError(
                f"Expected channels of as many levels as lead from 4 px to the data's {self.frames.sample_size} px, "
                f"received {len(self.generator.config.channels)} of the generator and "
                f"{len(self.settings.discriminator_channels)} of the discriminator. Each level doubles the side."
            )
