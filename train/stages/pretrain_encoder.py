"""Stage 1 of the paper: teach the reenactment encoder the codes of the frozen diffusion autoencoder.

Source and target are two frames of one person: the code predicted from the source and the target's landmark map shall
be the target's own code. No pictures are decoded, so a step is cheap.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from diffusionact.models import ReenactmentEncoder, SemanticEncoder, UNet
from diffusionact.schedulers import DDIMScheduler
from diffusionact.weights import PipelineConfig, write_index

from ..data.frames import Frames
from ..data.pairs import held_out_pairs
from ..diffusion import invert, sample
from ..validation import mean_psnr, picture_grid
from .stage import Stage

ENCODING_BATCH = 64


@dataclass(frozen=True)
class EncoderSettings:
    """Settings of the stage.

    Attributes:
        model_folder: of the trained diffusion autoencoder, as stage 0 exports it; of a whole model the UNet of the
            inversion counts, which is the autoencoder's own.
        normalise_code: divide differences of codes by each entry's deviation over the training frames.
        map_rate_factor: learning rate of the landmark map's convolution over that of the encoder.
        validation_pictures: columns of the validation grid.
        validation_pairs: pairs of the figures.
        validation_steps: DDIM steps of the validation, each way.
    """

    model_folder: str
    normalise_code: bool = True
    map_rate_factor: float = 5.0
    validation_pictures: int = 8
    validation_pairs: int = 256
    validation_steps: int = 20


class CodeObjective(nn.Module):
    """L1 between predicted and target code."""

    def __init__(self, reenactment_encoder: ReenactmentEncoder, code_scale: Tensor):
        super().__init__()
        self.reenactment_encoder = reenactment_encoder
        self.register_buffer("code_scale", code_scale, persistent=False)

    def forward(self, source: Tensor, landmark_map: Tensor, target_code: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch.

        Args:
            source: (B, 3, H, W) in [-1, 1].
            landmark_map: (B, 3, H, W) in [-1, 1], of the target.
            target_code: (B, D).
        """
        code = self.reenactment_encoder(source, landmark_map)
        return ((code.float() - target_code) / self.code_scale).abs().mean(), {}


class PretrainEncoder(Stage):
    """Train the reenactment encoder alone."""

    name: ClassVar[str] = "pretrain_encoder"
    Settings: ClassVar[type] = EncoderSettings

    def __init__(self, config, frames: Frames, device: torch.device, num_processes: int = 1, process: int = 0):
        super().__init__(config, frames, device, num_processes, process)
        folder = Path(self.settings.model_folder)
        self.scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
        own = folder / "inversion_unet"
        self.unet = self.frozen(UNet.from_pretrained(own if own.is_dir() else folder / "unet"))
        self.semantic_encoder = self.frozen(SemanticEncoder.from_pretrained(folder / "semantic_encoder"))
        self.codes = self._encode_all()
        deviation = self.codes[torch.from_numpy(frames.training).to(device)].std(dim=0)
        self.code_scale = deviation if self.settings.normalise_code else torch.ones_like(deviation)
        self.reenactment_encoder = ReenactmentEncoder.from_semantic_encoder(self.semantic_encoder).train()
        self.objective = CodeObjective(self.reenactment_encoder, self.code_scale)
        self.objective.to(device, memory_format=torch.channels_last)
        self.pairs = self.training_pairs()
        if config.data.on_device:
            frames.move_to(device, ("image", "landmark_map"))

    def batch(self, index: int) -> dict[str, Tensor]:
        """Sources with the landmark maps and codes of their targets."""
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
        sources, targets = sources[: settings.validation_pictures], targets[: settings.validation_pictures]
        shown = self._entries(sources, targets)
        own_map = self.pictures("landmark_map", sources)
        source_code = self.reenactment_encoder(shown["source"], own_map).float()
        x_T = invert(self.unet, self.scheduler, shown["source"], source_code, settings.validation_steps)
        code = self.reenactment_encoder(shown["source"], shown["landmark_map"]).float()
        reenacted = sample(self.unet, self.scheduler, x_T, code, settings.validation_steps)
        oracle = sample(self.unet, self.scheduler, x_T, shown["target_code"], settings.validation_steps)
        truth = self.pictures("image", targets)
        scalars |= {
            "psnr_reenacted": mean_psnr(reenacted, truth),
            "psnr_oracle": mean_psnr(oracle, truth),
            "psnr_copied_source": mean_psnr(shown["source"], truth),
        }
        return picture_grid([shown["source"], shown["landmark_map"], truth, reenacted, oracle]), scalars

    def components(self) -> dict[str, Any]:
        """The diffusion autoencoder as it was, and the reenactment encoder."""
        return {
            "unet": self.unet,
            "semantic_encoder": self.semantic_encoder,
            "reenactment_encoder": self.reenactment_encoder,
            "scheduler": self.scheduler,
        }

    def write_index(self, folder: Path) -> None:
        """Landmark maps are drawn in the aligned picture here."""
        networks = {
            "unet": self.unet,
            "semantic_encoder": self.semantic_encoder,
            "reenactment_encoder": self.reenactment_encoder,
        }
        write_index(folder, networks, self.scheduler, PipelineConfig(landmark_frame="aligned"))

    def _entries(self, sources, targets) -> dict[str, Tensor]:
        return {
            "source": self.pictures("image", sources),
            "landmark_map": self.pictures("landmark_map", targets),
            "target_code": self.codes[torch.from_numpy(targets).to(self.device)],
        }

    @torch.no_grad()
    def _encode_all(self) -> Tensor:
        """Codes (N, D) of all frames: an epoch needs each of them more than once."""
        codes = []
        for start in range(0, len(self.frames), ENCODING_BATCH):
            chosen = np.arange(start, min(start + ENCODING_BATCH, len(self.frames)))
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.loop.mixed_precision == "bf16"):
                codes.append(self.semantic_encoder(self.pictures("image", chosen)).float())
        return torch.cat(codes)

    def _code_errors(self, sources, targets) -> dict[str, float]:
        """L1 between codes over their deviation, predicted and for the source's own code."""
        errors, copied = [], []
        for start in range(0, len(sources), ENCODING_BATCH):
            part = slice(start, start + ENCODING_BATCH)
            entries = self._entries(sources[part], targets[part])
            code = self.reenactment_encoder(entries["source"], entries["landmark_map"]).float()
            errors.append((code - entries["target_code"]).abs())
            copied.append((self.codes[torch.from_numpy(sources[part]).to(self.device)] - entries["target_code"]).abs())
        scale = self.code_scale
        return {
            "code_l1": float((torch.cat(errors) / scale).mean()),
            "code_l1_copied_source": float((torch.cat(copied) / scale).mean()),
        }
