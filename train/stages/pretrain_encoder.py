"""Stage 1 of the paper: teach the reenactment encoder the codes of the frozen diffusion autoencoder.

Source and target are two frames of one person: the code predicted from the source and the target's landmark map should
be the target's own code. No images are decoded, so a step is cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from diffusionact.generation.sampling import invert, sample
from diffusionact.models import ReenactmentEncoder, SemanticEncoder, UNet
from diffusionact.schedulers import DDIMScheduler

from ..data.frames import Frames
from ..data.pairs import held_out_pairs
from .denoising import semantic, unet_model
from .validation import image_grid, mean_psnr
from .whole_model import WholeModelStage

ENCODING_BATCH = 64
SCALE_FRAMES = 2048  # training frames that the deviation of the codes is measured on


@dataclass(frozen=True)
class EncoderSettings:
    """Settings of the stage.

    Attributes:
        model_folder: of the trained diffusion autoencoder, as stage 0 exports it; of a whole model the UNet of the
            inversion counts, which is the autoencoder's own.
        normalise_code: divide differences of codes by each entry's deviation over the training frames.
        map_rate_factor: learning rate of the landmark map's convolution over that of the encoder.
        validation_images: columns of the validation grid.
        validation_pairs: pairs of the figures.
        validation_steps: DDIM steps of the validation, each way.
    """

    model_folder: str
    normalise_code: bool = True
    map_rate_factor: float = 5.0
    validation_images: int = 8
    validation_pairs: int = 256
    validation_steps: int = 20


class CodeObjective(nn.Module):
    """L1 between predicted and target code.

    Args:
        reenactment_encoder: trained.
        encode: images -> codes (B, D) of the frozen autoencoder; a function, so that it is not in the module's state.
        code_scale: (D,), differences are divided by it.
    """

    def __init__(self, reenactment_encoder: ReenactmentEncoder, encode: Callable[[Tensor], Tensor], code_scale: Tensor):
        super().__init__()
        self.reenactment_encoder, self.encode = reenactment_encoder, encode
        self.register_buffer("code_scale", code_scale, persistent=False)

    def forward(self, source: Tensor, landmark_map: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch.

        Args:
            source: (B, 3, H, W) in [-1, 1].
            landmark_map: (B, 3, H, W) in [-1, 1], of the target.
            target: (B, 3, H, W) in [-1, 1].
        """
        code = self.reenactment_encoder(source, landmark_map)
        return ((code.float() - self.encode(target)) / self.code_scale).abs().mean(), {}


class PretrainEncoder(WholeModelStage):
    """Train the reenactment encoder alone."""

    name: ClassVar[str] = "pretrain_encoder"
    Settings: ClassVar[type] = EncoderSettings

    def __init__(self, config, frames: Frames, device: torch.device, num_processes: int = 1, process: int = 0):
        super().__init__(config, frames, device, num_processes, process)
        folder = Path(self.settings.model_folder)
        self.scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
        own = folder / "inversion_unet"
        self.unet = self.frozen(UNet.from_pretrained(own if own.is_dir() else folder / "unet"))
        self.inversion_unet = self.unet
        self.semantic_encoder = self.frozen(SemanticEncoder.from_pretrained(folder / "semantic_encoder"))
        self.code_scale = self._code_scale().to(device)
        self.reenactment_encoder = ReenactmentEncoder.from_semantic_encoder(self.semantic_encoder).train()
        self.objective = CodeObjective(self.reenactment_encoder, self._encode, self.code_scale)
        self.objective.to(device, memory_format=torch.channels_last)
        self.pairs = self.training_pairs()
        if config.data.on_device:
            frames.move_to(device, ("image", "landmark_map"))

    def batch(self, index: int) -> dict[str, Tensor]:
        """Sources with their targets and the targets' landmark maps."""
        sources, targets = self.pairs.batch(index)
        return self._entries(sources, targets)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The new convolution starts at zero and may move faster."""
        rate = self.config.optimiser.learning_rate
        encoder = self.reenactment_encoder
        return [
            {"params": list(encoder.encoder.parameters()), "lr": rate},
            {"params": list(encoder.map_projection.parameters()), "lr": rate * self.settings.map_rate_factor},
        ]

    def enable_gradient_checkpointing(self) -> None:
        """The encoder's blocks are computed again."""
        self.reenactment_encoder.encoder.enable_gradient_checkpointing()

    @torch.no_grad()
    def validate(self) -> tuple[Tensor, dict[str, float]]:
        """Rows: source, landmark map, truth, decoded with the predicted code, decoded with the truth's own code."""
        settings, video = self.settings, self.frames.video
        sources, targets = held_out_pairs(video, self.frames.validation, settings.validation_pairs, 0)
        scalars = self._code_errors(sources, targets)
        sources, targets = sources[: settings.validation_images], targets[: settings.validation_images]
        shown = self._entries(sources, targets)
        own_map = self.images("landmark_map", sources)
        source_code = self.reenactment_encoder(shown["source"], own_map).float()
        model, steps = unet_model(self.unet), settings.validation_steps
        x_T = invert(model, self.scheduler, shown["source"], semantic(source_code), steps)
        code = self.reenactment_encoder(shown["source"], shown["landmark_map"]).float()
        reenacted = sample(model, self.scheduler, x_T, semantic(code), steps)
        truth = shown["target"]
        oracle = sample(model, self.scheduler, x_T, semantic(self._encode(truth)), steps)
        scalars |= {
            "psnr_reenacted": mean_psnr(reenacted, truth),
            "psnr_oracle": mean_psnr(oracle, truth),
            "psnr_copied_source": mean_psnr(shown["source"], truth),
        }
        return image_grid([shown["source"], shown["landmark_map"], truth, reenacted, oracle]), scalars

    def _entries(self, sources, targets) -> dict[str, Tensor]:
        return {
            "source": self.images("image", sources),
            "landmark_map": self.images("landmark_map", targets),
            "target": self.images("image", targets),
        }

    @torch.no_grad()
    def _encode(self, images: Tensor) -> Tensor:
        """Codes (B, D) of the frozen autoencoder."""
        return self.semantic_encoder(images).float()

    def _code_scale(self) -> Tensor:
        """(D,) deviation of each entry of the code over some training frames, or ones."""
        if not self.settings.normalise_code:
            return torch.ones(self.semantic_encoder.config.semantic_dim)
        generator = np.random.default_rng([self.config.seed, 3])
        count = min(SCALE_FRAMES, len(self.frames.training))
        chosen = generator.choice(self.frames.training, count, replace=False)
        parts = np.array_split(chosen, -(-count // ENCODING_BATCH))
        return torch.cat([self._encode(self.images("image", part)) for part in parts]).std(dim=0)

    def _code_errors(self, sources, targets) -> dict[str, float]:
        """L1 between codes over their deviation, predicted and for the source's own code."""
        errors, copied = [], []
        for start in range(0, len(sources), ENCODING_BATCH):
            part = slice(start, start + ENCODING_BATCH)
            entries = self._entries(sources[part], targets[part])
            code = self.reenactment_encoder(entries["source"], entries["landmark_map"]).float()
            target_code = self._encode(entries["target"])
            errors.append((code - target_code).abs())
            copied.append((self._encode(entries["source"]) - target_code).abs())
        scale = self.code_scale
        return {
            "code_l1": float((torch.cat(errors) / scale).mean()),
            "code_l1_copied_source": float((torch.cat(copied) / scale).mean()),
        }
