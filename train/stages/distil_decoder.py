"""A decoder of few steps: a copy of the UNet learns to end where the UNet itself ends after many steps of DDIM.

The sampler is deterministic, so that x_T and a semantic code have one right image. The student is trained on it through
its own few steps. Source: knowledge distillation of DDIM (Luhman and Luhman, "Knowledge Distillation in Iterative
Generative Models", 2021), here with more than one call and with x_T of photos instead of drawn noise.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from diffusionact.generation import DiffusionEngine, ModelComponents, Sampling, load_components, write_index
from diffusionact.generation.sampling import sample
from diffusionact.models import UNet
from diffusionact.schedulers import DISTILLED, make_scheduler

from ..data.frames import Frames
from ..data.pairs import held_out_pairs
from .denoising import checkpointed, semantic, unet_model
from .stage import Stage
from .validation import image_grid, mean_psnr

PRECISIONS = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class DistillationSettings:
    """Settings of the stage.

    Attributes:
        model_folder: whole model whose decoder is the teacher, and the student as training begins.
        num_inference_steps: the student's UNet calls per image.
        teacher_steps: DDIM steps of the teacher.
        num_inversion_steps: DDIM steps from a source to x_T.
        kept_batches: so many batches, with the teacher's images, stay in memory and are used in turn; 0 makes each
            batch anew. A batch costs the teacher several times what it costs the student.
        validation_images: columns of the validation grid.
        validation_pairs: pairs of the figures.
        preset: the student's, in model_index.json; it replaces one of that name.
    """

    model_folder: str
    num_inference_steps: int = 2
    teacher_steps: int = 20
    num_inversion_steps: int = 50
    kept_batches: int = 0
    validation_images: int = 8
    validation_pairs: int = 32
    preset: str = "fast"

    def __post_init__(self) -> None:
        if self.kept_batches < 0:
            raise ValueError(
                f"Expected settings.kept_batches of at least 0, received {self.kept_batches}. Use 0 to keep none."
            )


class DistillationObjective(nn.Module):
    """Mean squared error between the student's images and the teacher's.

    Args:
        student: trained.
        config: of the model's scheduler.
        settings: of the stage.
    """

    def __init__(self, student: UNet, config: dict[str, Any], settings: DistillationSettings):
        super().__init__()
        self.student, self.config, self.settings = student, config, settings
        self.gradient_checkpointing = False

    def forward(self, x_T: Tensor, semantic_code: Tensor, taught: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch.

        Args:
            x_T: (B, 3, H, W) stochastic codes of the sources.
            semantic_code: (B, D) of the sources in the targets' poses.
            taught: (B, 3, H, W) in [-1, 1], the teacher's images of them.
        """
        images = self.decode(self.student, x_T, semantic_code)
        return (images - taught).square().mean(), {}

    def decode(self, unet: UNet, x_T: Tensor, semantic_code: Tensor) -> Tensor:
        """Images (B, 3, H, W) of a UNet in the student's few steps."""
        model = unet_model(unet)
        if self.gradient_checkpointing:
            model = checkpointed(model)
        scheduler = make_scheduler(DISTILLED, self.config)
        return sample(model, scheduler, x_T, semantic(semantic_code), self.settings.num_inference_steps)


class DistilDecoder(Stage):
    """Train a copy of the decoder; the rest of the model stays as it was."""

    name: ClassVar[str] = "distil_decoder"
    Settings: ClassVar[type] = DistillationSettings

    def __init__(self, config, frames: Frames, device: torch.device, num_processes: int = 1, process: int = 0):
        super().__init__(config, frames, device, num_processes, process)
        self.model = load_components(self.settings.model_folder)
        self.student = copy.deepcopy(self.model.unet).requires_grad_(True).train()
        for module in self.student.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # what is to be learnt is exact
        self.teacher = DiffusionEngine(copy.deepcopy(self.model)).to(device, PRECISIONS[config.loop.mixed_precision])
        self.objective = DistillationObjective(self.student, self.model.scheduler.config, self.settings)
        self.objective.to(device, memory_format=torch.channels_last)
        self.pairs = self.training_pairs()
        self._kept: dict[int, dict[str, Tensor]] = {}

    def batch(self, index: int) -> dict[str, Tensor]:
        """Sources and poses of training pairs, with the teacher's images of them."""
        if not self.settings.kept_batches:
            return self._lesson(*self.pairs.batch(index))
        index %= self.settings.kept_batches
        if index not in self._kept:
            self._kept[index] = self._lesson(*self.pairs.batch(index))
        return self._kept[index]

    def enable_gradient_checkpointing(self) -> None:
        """Each step of the sampler is computed again on the way back."""
        self.objective.gradient_checkpointing = True

    @torch.no_grad()
    def validate(self) -> tuple[Tensor, dict[str, float]]:
        """Rows: source, landmark map, teacher, the teacher in as few steps as the student, student."""
        sources, targets = self._validation_pairs
        lesson = self._validation_lesson
        x_T, code, taught = lesson["x_T"], lesson["semantic_code"], lesson["taught"]
        untrained = self.objective.decode(self.model.unet.to(self.device), x_T, code)
        student = self.objective.decode(self.student, x_T, code)
        scalars = {"psnr_student": mean_psnr(student, taught), "psnr_untrained": mean_psnr(untrained, taught)}
        rows = [self.images("image", sources), self.images("landmark_map", targets), taught, untrained, student]
        return image_grid([row[: self.settings.validation_images] for row in rows]), scalars

    def components(self) -> dict[str, Any]:
        """The model as it was, and the student beside it."""
        return {**self._with_student.networks(), "scheduler": self.model.scheduler}

    def write_index(self, folder: Path) -> None:
        """The model's own settings with one more preset."""
        model, settings = self._with_student, self.settings
        presets = {**model.config.presets, settings.preset: Sampling(settings.num_inference_steps, DISTILLED)}
        write_index(folder, model.networks(), model.scheduler, replace(model.config, presets=presets))

    @property
    def _with_student(self) -> ModelComponents:
        return replace(self.model, distilled_unet=self.student)

    @torch.no_grad()
    def _lesson(self, sources: np.ndarray, targets: np.ndarray) -> dict[str, Tensor]:
        """What the student is given for pairs of frames, and the teacher's images (B, 3, H, W)."""
        teacher, settings = self.teacher, self.settings
        source = self.images("image", sources)
        own_code = teacher.reenactment_encoder(source, self.images("landmark_map", sources))
        x_T = teacher.invert(source, own_code, settings.num_inversion_steps)
        code = teacher.reenactment_encoder(source, self.images("landmark_map", targets))
        return {"x_T": x_T, "semantic_code": code, "taught": teacher.sample(x_T, code, settings.teacher_steps)}

    @cached_property
    def _validation_pairs(self) -> tuple[np.ndarray, np.ndarray]:
        return held_out_pairs(self.frames.video, self.frames.validation, self.settings.validation_pairs, 0)

    @cached_property
    def _validation_lesson(self) -> dict[str, Tensor]:
        return self._lesson(*self._validation_pairs)
