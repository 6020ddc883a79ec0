"""What the stages export that train a reenactment encoder: everything that a pipeline needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusionact.generation import PipelineConfig, write_index
from diffusionact.models import ReenactmentEncoder, SemanticEncoder, UNet
from diffusionact.schedulers import DDIMScheduler

from .stage import Stage


class WholeModelStage(Stage):
    """A stage that leaves a model folder for pipelines.

    Attributes:
        unet: decodes.
        inversion_unet: finds x_T; the same object as `unet` where the decoder was not fine-tuned.
        semantic_encoder: of the diffusion autoencoder.
        reenactment_encoder: what these stages train.
        scheduler: DDIM.
    """

    unet: UNet
    inversion_unet: UNet
    semantic_encoder: SemanticEncoder
    reenactment_encoder: ReenactmentEncoder
    scheduler: DDIMScheduler

    def components(self) -> dict[str, Any]:
        """All that the pipeline needs; the UNet of the inversion only where it differs from the decoder."""
        return {**self._networks(), "scheduler": self.scheduler}

    def write_index(self, folder: Path) -> None:
        """Landmark maps are drawn in the aligned image here."""
        write_index(folder, self._networks(), self.scheduler, PipelineConfig(landmark_frame="aligned"))

    def _networks(self) -> dict[str, Any]:
        names = ["unet", "semantic_encoder", "reenactment_encoder"]
        if self.inversion_unet is not self.unet:
            names.append("inversion_unet")
        return {name: getattr(self, name) for name in names}
