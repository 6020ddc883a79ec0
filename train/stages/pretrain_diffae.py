"""Stage 0: train the diffusion autoencoder, UNet and semantic encoder together.

Beside the denoising loss, a linear regressor on the code keeps landmarks, head pose, gaze and expression readable from
it: without it a small model leaves the pose to x_T, and no later stage can move it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from diffusionact.generation import load_components
from diffusionact.generation.sampling import invert, sample
from diffusionact.models import SemanticEncoder, UNet
from diffusionact.schedulers import DDIMScheduler

from ..data.frames import Frames
from ..data.noise import draw_noise
from ..data.pairs import FrameOrder, held_out_pairs
from .code_regressor import CodeRegressor
from .denoising import prediction_target, semantic, timesteps_from, unet_model
from .stage import Stage
from .validation import image_grid, mean_psnr


@dataclass(frozen=True)
class UNetConfig:
    """Constructor arguments of the UNet; `sample_size` and `semantic_dim` come from elsewhere."""

    patch_size: int = 4
    block_out_channels: tuple[int, ...] = (64, 128, 128)
    layers_per_block: int = 1
    attention_resolutions: tuple[int, ...] = (8,)
    time_dim: int = 256
    norm_groups: int = 8
    dropout: float = 0.0


@dataclass(frozen=True)
class EncoderConfig:
    """Constructor arguments of the semantic encoder."""

    patch_size: int = 4
    block_out_channels: tuple[int, ...] = (64, 96, 128, 192)
    layers_per_block: int = 1
    attention_resolutions: tuple[int, ...] = (8,)
    semantic_dim: int = 512
    pool_size: int = 4
    norm_groups: int = 8


@dataclass(frozen=True)
class RegressionConfig:
    """Weights of the standardised facts within the regression loss; they are divided by their mean.

    Attributes:
        weight: of the whole term beside the denoising loss.
        landmarks: of each landmark coordinate.
        head_pose: of each angle.
        gaze: of each angle.
        expression: of each blendshape.
        emphasised: of the blendshapes `emphasised_names`.
        emphasised_names: blendshapes that are easily lost in a small image.
    """

    weight: float = 0.05
    landmarks: float = 1.0
    head_pose: float = 8.0
    gaze: float = 8.0
    expression: float = 0.3
    emphasised: float = 8.0
    emphasised_names: tuple[str, ...] = ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight")

    def table(self, expression_names: list[str]) -> Tensor:
        """(193,) weights in the order of `Frames.targets`, of mean 1.

        Raises:
            ValueError: if one of the emphasised names is unknown.
        """
        unknown = set(self.emphasised_names) - set(expression_names)
        if unknown:
            raise ValueError(
                f"Expected regression.emphasised_names among {expression_names}, received {sorted(unknown)}. "
                "Correct the names."
            )
        emphasised = [name in self.emphasised_names for name in expression_names]
        expression = [self.emphasised if named else self.expression for named in emphasised]
        weights = [self.landmarks] * 136 + [self.head_pose] * 3 + [self.gaze] * 2 + expression
        return torch.tensor(weights) / (sum(weights) / len(weights))


@dataclass(frozen=True)
class DiffAESettings:
    """Settings of the stage.

    Attributes:
        unet, semantic_encoder, regression: see their classes.
        prediction_type: what the UNet predicts, see `DDIMScheduler`.
        initial_model: model folder whose UNet and semantic encoder are trained on; their architecture then counts, and
            not the one given here. None starts with fresh ones.
        timestep_exponent: see `timesteps_from`.
        region_weights: of the squared error in background, person, face, eyes and mouth.
        validation_images: columns of the validation grid.
        validation_steps: DDIM steps of the validation, each way.
    """

    unet: UNetConfig = field(default_factory=UNetConfig)
    semantic_encoder: EncoderConfig = field(default_factory=EncoderConfig)
    regression: RegressionConfig = field(default_factory=RegressionConfig)
    prediction_type: str = "v_prediction"
    initial_model: str | None = None
    timestep_exponent: float = 0.75
    region_weights: tuple[float, float, float, float] = (1.0, 1.0, 2.0, 8.0)
    validation_images: int = 8
    validation_steps: int = 20


class DiffAEObjective(nn.Module):
    """Denoising loss of an image given its own code, and regression of its facts from the code."""

    def __init__(
        self,
        unet: UNet,
        encoder: SemanticEncoder,
        regressor: CodeRegressor,
        scheduler: DDIMScheduler,
        settings: DiffAESettings,
        target_weights: Tensor,
    ):
        super().__init__()
        self.unet, self.semantic_encoder, self.regressor = unet, encoder, regressor
        self.scheduler, self.settings = scheduler, settings
        self.register_buffer("region_weights", torch.tensor(settings.region_weights), persistent=False)
        self.register_buffer("target_weights", target_weights, persistent=False)

    def forward(
        self, image: Tensor, region: Tensor, target: Tensor, uniform: Tensor, noise: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch.

        Args:
            image: (B, 3, H, W) in [-1, 1].
            region: (B, H, W) index into the region weights.
            target: (B, K) facts in their own units.
            uniform: (B,) in [0, 1), gives the timesteps.
            noise: (B, 3, H, W) standard normal.
        """
        semantic_code = self.semantic_encoder(image)
        steps = self.scheduler.config.num_train_timesteps
        timesteps = timesteps_from(uniform, steps, self.settings.timestep_exponent)
        prediction = self.unet(self.scheduler.add_noise(image, noise, timesteps), timesteps, semantic_code).sample
        goal = prediction_target(self.scheduler, image, noise, timesteps)
        weights = self.region_weights[region.long()][:, None]
        error = (prediction.float() - goal).square()
        # Every image counts alike, whatever batch it is in: several processes then train as one would.
        by_image = (weights * error).sum(dim=(1, 2, 3)) / (weights.sum(dim=(1, 2, 3)) * image.shape[1])
        denoising = by_image.mean()
        with torch.autocast(image.device.type, enabled=False):
            facts = self.regressor(semantic_code.float())
        regression = (self.target_weights * (facts - self.regressor.standardise(target)).square()).mean()
        loss = denoising + self.settings.regression.weight * regression
        return loss, {"denoising": denoising, "regression": regression}


def initial_networks(settings: DiffAESettings, sample_size: int) -> tuple[UNet, SemanticEncoder]:
    """The networks as training begins, in float32.

    Raises:
        FileNotFoundError, ValueError: if `initial_model` cannot be read, or is of another size or prediction type.
    """
    if settings.initial_model is None:
        code = settings.semantic_encoder.semantic_dim
        unet = UNet(sample_size=sample_size, semantic_dim=code, **vars(settings.unet))
        return unet, SemanticEncoder(sample_size=sample_size, **vars(settings.semantic_encoder))
    components = load_components(settings.initial_model)
    unet, scheduler = components.inversion_unet, components.scheduler
    found = (unet.config.sample_size, scheduler.config.prediction_type)
    if found != (sample_size, settings.prediction_type):
        raise ValueError(
            f"Expected settings.initial_model to be of {sample_size} px and {settings.prediction_type}, received "
            f"{found[0]} px and {found[1]} in {settings.initial_model!r}. Prepare data of that size, or start afresh."
        )
    return unet.float().requires_grad_(True).train(), components.semantic_encoder.float().requires_grad_(True).train()


class PretrainDiffAE(Stage):
    """Train UNet, semantic encoder and regressor."""

    name: ClassVar[str] = "pretrain_diffae"
    Settings: ClassVar[type] = DiffAESettings

    def __init__(self, config, frames: Frames, device: torch.device, num_processes: int = 1, process: int = 0):
        super().__init__(config, frames, device, num_processes, process)
        settings: DiffAESettings = config.settings
        self.scheduler = DDIMScheduler(prediction_type=settings.prediction_type)
        self.unet, self.semantic_encoder = initial_networks(settings, frames.sample_size)
        self.targets = frames.targets()
        self.regressor = CodeRegressor(self.semantic_encoder.config.semantic_dim, self.targets.shape[1])
        self.regressor.fit_scale(self.targets[torch.from_numpy(frames.training)])
        self.targets = self.targets.to(device)
        weights = settings.regression.table(frames.expression_names)
        self.objective = DiffAEObjective(
            self.unet, self.semantic_encoder, self.regressor, self.scheduler, settings, weights
        )
        self.objective.to(device, memory_format=torch.channels_last)
        self.order = FrameOrder(frames.training, config.loop.batch_size, num_processes, process, config.seed)
        if config.data.on_device:
            frames.move_to(device, ("image", "region"))

    def batch(self, index: int) -> dict[str, Tensor]:
        """Images with regions, facts and noise."""
        chosen = self.order.batch(index)
        size = self.frames.sample_size
        uniform, noise = draw_noise(self.config.seed, self.order.positions(index), (3, size, size))
        return {
            "image": self.images("image", chosen),
            "region": self.frames.images("region", chosen).to(self.device),
            "target": self.targets[torch.from_numpy(chosen).to(self.device)],
            "uniform": uniform.to(self.device),
            "noise": noise.to(self.device, memory_format=torch.channels_last),
        }

    def enable_gradient_checkpointing(self) -> None:
        """The UNet's and the encoder's blocks are computed again."""
        self.unet.enable_gradient_checkpointing()
        self.semantic_encoder.enable_gradient_checkpointing()

    @torch.no_grad()
    def validate(self) -> tuple[Tensor, dict[str, float]]:
        """Rows: truth; decoded from its own x_T; from noise (what the code alone holds); another frame's x_T."""
        video, steps = self.frames.video, self.settings.validation_steps
        sources, targets = held_out_pairs(video, self.frames.validation, self.settings.validation_images, 0)
        image, source = self.images("image", targets), self.images("image", sources)
        code, source_code = self.semantic_encoder(image).float(), self.semantic_encoder(source).float()
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(image.shape, generator=generator).to(self.device)
        model = unet_model(self.unet)
        own = self._render(invert(model, self.scheduler, image, semantic(code), steps), code)
        from_noise = self._render(noise, code)
        swapped = self._render(invert(model, self.scheduler, source, semantic(source_code), steps), code)
        scalars = {
            "psnr_own_x_T": mean_psnr(own, image),
            "psnr_noise": mean_psnr(from_noise, image),
            "psnr_source_x_T": mean_psnr(swapped, image),
            "psnr_copied_source": mean_psnr(source, image),
            **self._regression_errors(),
        }
        return image_grid([image, own, from_noise, source, swapped]), scalars

    def components(self) -> dict[str, Any]:
        """UNet, semantic encoder, regressor and scheduler."""
        return {
            "unet": self.unet,
            "semantic_encoder": self.semantic_encoder,
            "code_regressor": self.regressor,
            "scheduler": self.scheduler,
        }

    def _render(self, x_T: Tensor, code: Tensor) -> Tensor:
        return sample(unet_model(self.unet), self.scheduler, x_T, semantic(code), self.settings.validation_steps)

    def _regression_errors(self, count: int = 128) -> dict[str, float]:
        """Mean absolute errors on held-out frames: landmarks px, head pose degrees, gaze degrees, jaw opening.

        The last is left out where the face reader of the data does not tell it.
        """
        chosen = self.frames.validation[:count]
        code = self.semantic_encoder(self.images("image", chosen)).float()
        predicted = self.regressor(code).float() * self.regressor.deviation + self.regressor.mean
        error = (predicted - self.targets[torch.from_numpy(chosen).to(self.device)]).abs().mean(dim=0)
        errors = {
            "landmarks_px": float(error[:136].mean()),
            "head_pose_deg": float(error[136:139].mean()),
            "gaze_deg": float(torch.rad2deg(error[139:141]).mean()),
        }
        names = self.frames.expression_names
        return errors | ({"jaw_open": float(error[141 + names.index("jawOpen")])} if "jawOpen" in names else {})
