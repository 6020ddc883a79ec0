"""What the two stages with the sampler in the loop share: the reenacted image is decoded and judged by the objective.

A batch is split as in section 3.3 of the paper: self reenactment (source and target are two frames of one person) and
reconstruction (source = target). The stochastic code of the source is found with a UNet that is never trained.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diffusionact.generation.sampling import invert, sample
from diffusionact.losses import FacePerception, LossWeights, ObjectiveValue, reenactment_objective
from diffusionact.models import ReenactmentEncoder, SemanticEncoder, UNet
from diffusionact.schedulers import DDIMScheduler

from ..data.drawing import REGIONS
from ..data.frames import Frames
from ..data.pairs import held_out_pairs
from .denoising import checkpointed, semantic, unet_model
from .perception import PerceptionSettings, load_perception
from .validation import image_grid, mean_psnr
from .whole_model import WholeModelStage

DETAIL_REGION = REGIONS.index("eyes_and_mouth")


@dataclass(frozen=True)
class ReenactmentSettings:
    """Settings of the stages `train_encoder` and `finetune_decoder`; the defaults are the paper's.

    Attributes:
        model_folder: model to go on from: of the stage before, or any model folder.
        pretrained: False starts the reenactment encoder anew from the semantic encoder (ablation "w/o pre-training").
        reconstruction_fraction: part of the batch whose source is its own target; 0 is the ablation "w/o batch split".
        num_inference_steps: T_tr, differentiable decoding steps; with several numbers the batches take turns.
        num_inversion_steps: steps from the source to x_T, without gradient.
        weights: of the objective, Eq. 5 and 6, and of the detail term, which is not of the paper.
        perception: the networks behind the objective.
        validation_images: columns of the validation grid.
        validation_pairs: pairs of the figures.
        validation_steps: decoding steps of the validation.
        validation_inversion_steps: inversion steps of the validation.

    Raises:
        ValueError: if there is no number of steps, or the fraction is none.
    """

    model_folder: str
    pretrained: bool = True
    reconstruction_fraction: float = 0.5
    num_inference_steps: tuple[int, ...] = (8,)
    num_inversion_steps: int = 20
    weights: LossWeights = field(default_factory=LossWeights)
    perception: PerceptionSettings = field(default_factory=PerceptionSettings)
    validation_images: int = 8
    validation_pairs: int = 32
    validation_steps: int = 20
    validation_inversion_steps: int = 20

    def __post_init__(self) -> None:
        if not self.num_inference_steps:
            raise ValueError("Expected settings.num_inference_steps with a number such as [8], received none. Add one.")
        if not 0 <= self.reconstruction_fraction <= 1:
            raise ValueError(
                "Expected settings.reconstruction_fraction from 0 to 1, received "
                f"{self.reconstruction_fraction}. The paper's is 0.5; 0 is self reenactment alone."
            )


@dataclass(frozen=True)
class ReenactmentNetworks:
    """What the objective works with beside the encoder; no module, so that checkpoints hold only what is trained.

    Attributes:
        unet: decodes.
        inversion_unet: finds x_T; never trained.
        scheduler: DDIM.
        perception: the networks behind the objective; never trained.
    """

    unet: UNet
    inversion_unet: UNet
    scheduler: DDIMScheduler
    perception: FacePerception


class ReenactmentObjective(nn.Module):
    """Decode the reenacted image and compare it with the target, Eq. 4.

    Args:
        reenactment_encoder: trained.
        networks: the others.
        trains_decoder: the UNet that decodes is trained too.
        settings: of the stage.
    """

    def __init__(
        self,
        reenactment_encoder: ReenactmentEncoder,
        networks: ReenactmentNetworks,
        trains_decoder: bool,
        settings: ReenactmentSettings,
    ):
        super().__init__()
        self.reenactment_encoder, self.networks, self.settings = reenactment_encoder, networks, settings
        if trains_decoder:
            self.decoder = networks.unet
        self.gradient_checkpointing = False

    def forward(
        self,
        source: Tensor,
        source_map: Tensor,
        target: Tensor,
        target_map: Tensor,
        landmarks: Tensor,
        detail: Tensor,
        num_inference_steps: int,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch.

        Args:
            source: (B, 3, H, W) in [-1, 1].
            source_map: (B, 3, H, W) in [-1, 1], the source's own landmark map.
            target: (B, 3, H, W) in [-1, 1].
            target_map: (B, 3, H, W) in [-1, 1], of the target.
            landmarks: (B, 68, 2) px of the target.
            detail: (B, 1, H, W), 1 on eyes and mouth of the target.
            num_inference_steps: T_tr.
        """
        x_T = self.stochastic_code(source, source_map, self.settings.num_inversion_steps)
        reenacted = self.reenact(source, target_map, x_T, num_inference_steps)
        value = self.value(reenacted, target, landmarks, detail)
        return value.total, value.terms

    @torch.no_grad()
    def stochastic_code(self, source: Tensor, source_map: Tensor, num_steps: int) -> Tensor:
        """x_T (B, 3, H, W) of sources, with the code that the reenactment encoder gives for their own pose."""
        code = self.reenactment_encoder(source, source_map).float()
        model = unet_model(self.networks.inversion_unet)
        return invert(model, self.networks.scheduler, source, semantic(code), num_steps)

    def reenact(self, source: Tensor, landmark_map: Tensor, x_T: Tensor, num_steps: int) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] of the sources under the landmark maps."""
        code = self.reenactment_encoder(source, landmark_map).float()
        model = unet_model(self.networks.unet)
        if self.gradient_checkpointing:
            model = checkpointed(model)
        return sample(model, self.networks.scheduler, x_T, semantic(code), num_steps)

    def value(self, reenacted: Tensor, target: Tensor, landmarks: Tensor, detail: Tensor) -> ObjectiveValue:
        """The objective for images (B, 3, H, W) in [-1, 1]; the other entries of the targets as in `forward`."""
        perception = self.networks.perception
        with torch.no_grad():
            wanted = perception(target, landmarks)
        seen = perception(reenacted, landmarks)
        return reenactment_objective(reenacted, target, seen, wanted, self.settings.weights, detail)


def is_reconstruction(positions: np.ndarray, fraction: float) -> np.ndarray:
    """(B,) bool: whether the samples at these positions of the run are reconstruction; evenly spread.

    A function of the position, so that the split does not depend on how many processes share a batch.
    """
    return np.floor((positions + 1) * fraction) > np.floor(positions * fraction)


class ReenactmentStage(WholeModelStage):
    """Data, validation and export of a stage with the sampler in the loop; subclasses say what is trained."""

    Settings = ReenactmentSettings
    trains_decoder = False

    def __init__(self, config, frames: Frames, device: torch.device, num_processes: int = 1, process: int = 0):
        super().__init__(config, frames, device, num_processes, process)
        self._load_networks(Path(self.settings.model_folder))
        perception = self.frozen(load_perception(self.settings.perception, self.settings.weights))
        networks = ReenactmentNetworks(self.unet, self.inversion_unet, self.scheduler, perception)
        self.objective = ReenactmentObjective(self.reenactment_encoder, networks, self.trains_decoder, self.settings)
        self.objective.to(device, memory_format=torch.channels_last)
        self.pairs = self.training_pairs()
        if config.data.on_device:
            frames.move_to(device, ("image", "landmark_map", "region"))

    def _load_networks(self, folder: Path) -> None:
        self.scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
        self.semantic_encoder = self.frozen(SemanticEncoder.from_pretrained(folder / "semantic_encoder"))
        self.unet = self.frozen(UNet.from_pretrained(folder / "unet"))
        has_own = (folder / "inversion_unet").is_dir()
        original = folder / ("inversion_unet" if has_own else "unet")
        if self.trains_decoder or has_own:
            self.inversion_unet = self.frozen(UNet.from_pretrained(original))
        else:
            self.inversion_unet = self.unet
        if self.trains_decoder:
            self.unet.requires_grad_(True).train()
        if self.settings.pretrained:
            self.reenactment_encoder = ReenactmentEncoder.from_pretrained(folder / "reenactment_encoder").train()
        else:
            self.reenactment_encoder = ReenactmentEncoder.from_semantic_encoder(self.semantic_encoder).train()

    def batch(self, index: int) -> dict[str, Any]:
        """Pairs of frames, some of which are to be reconstructed."""
        sources, targets = self.pairs.batch(index)
        chosen = is_reconstruction(np.array(self.pairs.order.positions(index)), self.settings.reconstruction_fraction)
        targets[chosen] = sources[chosen]
        steps = self.settings.num_inference_steps
        return {**self._entries(sources, targets), "num_inference_steps": steps[index % len(steps)]}

    def enable_gradient_checkpointing(self) -> None:
        """Each step of the sampler is computed again on the way back."""
        self.objective.gradient_checkpointing = True

    @torch.no_grad()
    def validate(self) -> tuple[Tensor, dict[str, float]]:
        """Rows: source, driving frame, landmark map, reenacted, reconstruction of the source."""
        settings = self.settings
        sources, targets = held_out_pairs(self.frames.video, self.frames.validation, settings.validation_pairs, 0)
        entries = self._entries(sources, targets)
        source, target = entries["source"], entries["target"]
        x_T = self.objective.stochastic_code(source, entries["source_map"], settings.validation_inversion_steps)
        reenacted = self.objective.reenact(source, entries["target_map"], x_T, settings.validation_steps)
        rebuilt = self.objective.reenact(source, entries["source_map"], x_T, settings.validation_steps)
        value = self.objective.value(reenacted, target, entries["landmarks"], entries["detail"])
        scalars = {name: float(term) for name, term in value.terms.items()}
        scalars |= {
            "psnr_reenacted": mean_psnr(reenacted, target),
            "psnr_reconstructed": mean_psnr(rebuilt, source),
            "psnr_copied_source": mean_psnr(source, target),
        }
        rows = [source, target, entries["target_map"], reenacted, rebuilt]
        return image_grid([row[: settings.validation_images] for row in rows]), scalars

    def _entries(self, sources: np.ndarray, targets: np.ndarray) -> dict[str, Tensor]:
        region = self.frames.images("region", targets).to(self.device)
        landmarks = torch.from_numpy(self.frames.facts("landmarks")[targets]).to(self.device)
        return {
            "source": self.images("image", sources),
            "source_map": self.images("landmark_map", sources),
            "target": self.images("image", targets),
            "target_map": self.images("landmark_map", targets),
            "landmarks": landmarks.float(),
            "detail": (region == DETAIL_REGION)[:, None].float(),
        }
