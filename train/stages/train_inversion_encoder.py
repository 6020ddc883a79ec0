"""Train the inversion encoder of the engine `directions` for a finished generator, and put the model folder together.

After e4e (Tov et al. 2021): pixels, features, and rows that stay near the first one. Half of the images are drawn, and
their codes are known; the other half are frames. With `joint` the generator learns with the encoder, from frames alone:
a help for one that saw too few images, which draws the data's people no better by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusionact.generation.components import load_network
from diffusionact.generation.directions_folder import (
    DirectionsComponents,
    DirectionsConfig,
    check_fitting,
    write_table_and_index,
)
from diffusionact.generation.face_parameters import jaw_alone
from diffusionact.losses import perceptual_loss
from diffusionact.models import Directions, InversionEncoder, StyleGAN2
from diffusionact.perception import load_portrait_net

from ..data.frames import Frames
from ..data.noise import draw_noise
from ..data.pairs import FrameOrder
from .perception import scaled_maps
from .stage import Stage
from .validation import image_grid, mean_psnr


@dataclass(frozen=True)
class InversionWeights:
    """Weight of each term; features are read by the bundled network of synthetic portraits, unless their weight is 0.

    Attributes:
        pixel: mean squared difference of image and drawn image.
        perceptual: of `PortraitNet`'s scaled maps.
        code: mean squared difference to the code of a drawn image, over the codes' mean variance.
        rows: mean squared distance of the rows from the first one, over the same.
    """

    pixel: float = 1.0
    perceptual: float = 0.1
    code: float = 0.1
    rows: float = 0.01


@dataclass(frozen=True)
class InversionSettings:
    """Settings of the stage.

    Attributes:
        generator_folder: model folder of the stage `train_generator`.
        joint: train the generator too, all but its mapping.
        width: of the encoder.
        direction_rows: rows that the directions of the model folder will move; it starts with a matrix of zeros.
        truncation: of the model folder; the encoder learns to be drawn with it.
        weights: of the terms.
        validation_images: columns of the validation grid.
    """

    generator_folder: str
    joint: bool = False
    width: int = 16
    direction_rows: int = 8
    truncation: float = 1.0
    weights: InversionWeights = InversionWeights()
    validation_images: int = 8


class InversionObjective(nn.Module):
    """Encode, draw again, compare.

    Args:
        inversion_encoder: trained.
        draw: codes (B, R, D) before truncation -> images; a function, so that the generator is not in the state.
        features: images -> maps; None where their weight is 0.
        scale: mean variance of the entries of a code.
        weights: of the terms.
        generator: what `draw` draws with, where it is trained.
    """

    def __init__(
        self,
        inversion_encoder: InversionEncoder,
        draw: Callable[[Tensor], Tensor],
        features: Callable[[Tensor], list[Tensor]] | None,
        scale: Tensor,
        weights: InversionWeights,
        generator: StyleGAN2 | None = None,
    ):
        super().__init__()
        self.generator = generator
        self.inversion_encoder, self.draw, self.features, self.weights = inversion_encoder, draw, features, weights
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, image: Tensor, w: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch.

        Args:
            image: (B, 3, S, S) in [-1, 1]; the first ones are drawn.
            w: (K, D) codes of the first K images; perhaps none.
        """
        w_plus = self.inversion_encoder(image)
        again = self.draw(w_plus)
        terms = {
            "pixel": F.mse_loss(again, image),
            "rows": (w_plus[:, 1:] - w_plus[:, :1]).square().mean() / self.scale,
        }
        if len(w):
            terms["code"] = (w_plus[: len(w)] - w[:, None]).square().mean() / self.scale
        if self.features is not None:
            terms["perceptual"] = perceptual_loss(self.features(again), self.features(image))
        return sum(getattr(self.weights, name) * term for name, term in terms.items()), terms


class TrainInversionEncoder(Stage):
    """Train the encoder; the generator stays as it is, unless `joint` is set.

    Raises:
        ValueError: if the generator draws images of another size than the data's.
    """

    name: ClassVar[str] = "train_inversion_encoder"
    Settings: ClassVar[type] = InversionSettings

    def __init__(self, config, frames: Frames, device: torch.device, num_processes: int = 1, process: int = 0):
        super().__init__(config, frames, device, num_processes, process)
        settings: InversionSettings = config.settings
        self.generator = self.frozen(load_network(StyleGAN2, Path(settings.generator_folder) / "generator"))
        self.components_of_model = self._components()
        check_fitting(self.components_of_model, f"{settings.generator_folder!r} and data.sample_size")
        self.encoder = self.components_of_model.inversion_encoder
        features = (
            partial(scaled_maps, self.frozen(load_portrait_net("loss"))) if settings.weights.perceptual > 0 else None
        )
        trained = self.generator.train() if settings.joint else None
        self.generator.requires_grad_(settings.joint).mapping.requires_grad_(False)
        weights, scale = settings.weights, self._scale()
        self.objective = InversionObjective(self.encoder, self._draw, features, scale, weights, trained)
        self.objective.to(device, memory_format=torch.channels_last)
        self.order = FrameOrder(frames.training, config.loop.batch_size, num_processes, process, config.seed)
        if config.data.on_device:
            frames.move_to(device, ("image",))

    @torch.no_grad()
    def batch(self, index: int) -> dict[str, Tensor]:
        """Drawn images with their codes, then as many frames; of a joint training frames alone."""
        half = 0 if self.settings.joint else self.config.loop.batch_size // 2
        if not half:
            nothing = torch.zeros(0, self.generator.config.style_dim, device=self.device)
            return {"image": self.images("image", self.order.batch(index)), "w": nothing}
        positions = list(self.order.positions(index))[:half]
        shape = (self.generator.config.style_dim,)
        w = self.generator.mapping(draw_noise(self.config.seed, positions, shape)[1].to(self.device))
        drawn = self._draw(w[:, None].expand(-1, self.generator.num_rows, -1)).clamp(-1.0, 1.0)
        return {"image": torch.cat([drawn, self.images("image", self.order.batch(index)[half:])]), "w": w}

    @torch.no_grad()
    def validate(self) -> tuple[Tensor, dict[str, float]]:
        """Rows: held-out frames, and what is drawn of their codes."""
        image = self.images("image", self.frames.validation)
        again = self._draw(self.encoder(image)).clamp(-1.0, 1.0)
        shown = slice(0, self.settings.validation_images)
        mean = self._draw(self.generator.mean_latent[:, None].expand(len(image), self.generator.num_rows, -1))
        figures = {"psnr": mean_psnr(again, image), "psnr_of_mean_face": mean_psnr(mean, image)}
        return image_grid([image[shown], again[shown]]), figures

    def components(self) -> dict[str, Any]:
        """The whole model, whose directions do nothing yet."""
        whole = self.components_of_model
        return {
            "generator": whole.generator,
            "inversion_encoder": whole.inversion_encoder,
            "directions": whole.directions,
        }

    def write_index(self, folder: Path) -> None:
        """See `Stage`."""
        write_table_and_index(folder, self.components_of_model)

    def _components(self) -> DirectionsComponents:
        settings, generator = self.settings, self.generator
        rows, style_dim = generator.num_rows, generator.config.style_dim
        directions = Directions(num_rows=min(settings.direction_rows, rows), style_dim=style_dim)
        for parameter in directions.parameters():
            nn.init.zeros_(parameter)
        encoder = InversionEncoder(self.frames.sample_size, settings.width, style_dim, rows).train()
        truncation = DirectionsConfig(truncation=settings.truncation)
        return DirectionsComponents(generator, encoder, directions, jaw_alone(), truncation)

    def _features(self) -> Callable[[Tensor], list[Tensor]] | None:
        if self.settings.weights.perceptual == 0:
            return None
        return partial(scaled_maps, self.frozen(load_portrait_net("loss")))

    def _draw(self, w_plus: Tensor) -> Tensor:
        return self.generator(self.generator.truncate(w_plus, self.settings.truncation))

    @torch.no_grad()
    def _scale(self) -> Tensor:
        """Mean variance of the entries of w."""
        z = torch.randn(4096, self.generator.config.style_dim, generator=torch.Generator().manual_seed(0))
        return self.generator.mapping(z.to(self.device)).var(dim=0).mean()
