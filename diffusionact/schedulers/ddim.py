"""Deterministic DDIM in both directions, with the official code's clipping and its float64 tables.

The config is that of diffusers' DDIMScheduler, which can load it. Two things differ on purpose: the noise is re-derived
after x_0 has been clipped, in both directions, and `reverse_step` is the exact counterpart used for inversion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.schedulers.scheduling_ddim import DDIMSchedulerOutput
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor

PREDICTION_TYPES = ("epsilon", "v_prediction")


def stride_for(num_steps: int, num_train_timesteps: int) -> int:
    """Smallest stride whose multiples below `num_train_timesteps` number exactly `num_steps`.

    Source: the official `space_timesteps`, section "ddimN".

    Raises:
        ValueError: if no stride gives this number of steps.
    """
    counts = {math.ceil(num_train_timesteps / stride): stride for stride in range(num_train_timesteps, 0, -1)}
    if num_steps in counts:
        return counts[num_steps]
    nearest = min(counts, key=lambda count: abs(count - num_steps))
    raise ValueError(
        f"Expected a number of steps that divides the schedule evenly, received {num_steps}. "
        f"No whole stride over {num_train_timesteps} timesteps gives it; use {nearest} instead."
    )


class DDIMScheduler(SchedulerMixin, ConfigMixin):
    """DDIM with eta 0: `step` goes towards the image, `reverse_step` towards x_T.

    Args:
        num_train_timesteps: length of the training schedule.
        beta_start: first beta of the linear schedule.
        beta_end: last beta.
        beta_schedule: only "linear"; named for diffusers.
        clip_sample: clip x_0 to the range below at every step.
        clip_sample_range: half width of that range.
        set_alpha_to_one: the last decode step goes to alpha_bar 1; always so here.
        steps_offset: always 0 here.
        timestep_spacing: always "leading" here: 0, stride, 2 * stride, ...
        prediction_type: what the network predicts, "epsilon" or "v_prediction".
    """

    order = 1
    init_noise_sigma = 1.0

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 1e-4,
        beta_end: float = 0.02,
        beta_schedule: str = "linear",
        clip_sample: bool = True,
        clip_sample_range: float = 1.0,
        set_alpha_to_one: bool = True,
        steps_offset: int = 0,
        timestep_spacing: str = "leading",
        prediction_type: str = "epsilon",
    ):
        if prediction_type not in PREDICTION_TYPES:
            raise ValueError(
                f"Expected prediction_type to be one of {PREDICTION_TYPES}, received {prediction_type!r}. "
                "Choose what the network was trained to predict."
            )
        fixed = (beta_schedule, set_alpha_to_one, steps_offset, timestep_spacing)
        if fixed != ("linear", True, 0, "leading"):
            raise ValueError(
                "Expected beta_schedule 'linear', set_alpha_to_one True, steps_offset 0, timestep_spacing 'leading', "
                f"received {fixed}. Use a scheduler of diffusers for other schedules."
            )
        betas = np.linspace(beta_start, beta_end, num_train_timesteps, dtype=np.float64)
        self.alphas_cumprod = torch.from_numpy(np.cumprod(1.0 - betas))  # float64
        # Even steps in subclasses, too: not every number of quadratic ones exists.
        DDIMScheduler.set_timesteps(self, 20 if num_train_timesteps == 1000 else num_train_timesteps)

    def set_timesteps(self, num_inference_steps: int, device: torch.device | str | None = None) -> None:
        """Choose the timesteps of both directions.

        Sets `timesteps` (descending, for `step`) and `inversion_timesteps` (ascending, for `reverse_step`).

        Raises:
            ValueError: if no whole stride gives this number of steps.
        """
        stride = stride_for(num_inference_steps, self.config.num_train_timesteps)
        self._follow(range(0, self.config.num_train_timesteps, stride), device)

    def _follow(self, ascending: Sequence[int], device: torch.device | str | None) -> None:
        """Take these timesteps in both directions; before the first lies the image, after the last x_T."""
        self.num_inference_steps = len(ascending)
        self.inversion_timesteps = torch.tensor(ascending, device=device)
        self.timesteps = self.inversion_timesteps.flip(0)
        self._path = [-1, *ascending, self.config.num_train_timesteps]

    def scale_model_input(self, sample: Tensor, timestep: int | Tensor | None = None) -> Tensor:
        """Return the sample unchanged; part of the interface that diffusers' schedulers share."""
        return sample

    def step(
        self, model_output: Tensor, timestep: int | Tensor, sample: Tensor, return_dict: bool = True
    ) -> DDIMSchedulerOutput | tuple[Tensor, Tensor]:
        """One step towards the image, to the next of `timesteps`; the last one returns the clipped x_0.

        Args:
            model_output: (B, 3, H, W), eps or v.
            timestep: scalar of `timesteps`.
            sample: (B, 3, H, W), x_t.
            return_dict: False returns (prev_sample, pred_original_sample).
        """
        previous = self._path[self._path.index(int(timestep)) - 1]
        target = float(self.alphas_cumprod[previous]) if previous >= 0 else 1.0
        return self._move(model_output, int(timestep), sample, target, return_dict)

    def reverse_step(
        self, model_output: Tensor, timestep: int | Tensor, sample: Tensor, return_dict: bool = True
    ) -> DDIMSchedulerOutput | tuple[Tensor, Tensor]:
        """One step towards x_T, to the next of `inversion_timesteps`; the last one goes to alpha_bar 0: the noise.

        The network is evaluated at the current timestep, 0 first. Source: `ddim_reverse_sample` of the official code.
        """
        following = self._path[self._path.index(int(timestep)) + 1]
        inside = following < self.config.num_train_timesteps
        target = float(self.alphas_cumprod[following]) if inside else 0.0
        return self._move(model_output, int(timestep), sample, target, return_dict)

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps, with timesteps (B,)."""
        signal, spread = self._levels(original_samples, timesteps)
        return signal * original_samples + spread * noise

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """The target of v_prediction: v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x_0, with timesteps (B,)."""
        signal, spread = self._levels(sample, timesteps)
        return signal * noise - spread * sample

    def _levels(self, like: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        alpha_bar = self.alphas_cumprod.to(like.device)[timesteps][:, None, None, None]
        return alpha_bar.sqrt().to(like.dtype), (1 - alpha_bar).sqrt().to(like.dtype)

    def _move(
        self, model_output: Tensor, timestep: int, sample: Tensor, target: float, return_dict: bool
    ) -> DDIMSchedulerOutput | tuple[Tensor, Tensor]:
        alpha_bar = float(self.alphas_cumprod[timestep])
        inverse_signal, inverse_ratio = math.sqrt(1 / alpha_bar), math.sqrt(1 / alpha_bar - 1)
        if self.config.prediction_type == "epsilon":
            x_0 = inverse_signal * sample - inverse_ratio * model_output
        else:
            x_0 = math.sqrt(alpha_bar) * sample - math.sqrt(1 - alpha_bar) * model_output
        if self.config.clip_sample:
            x_0 = x_0.clamp(-self.config.clip_sample_range, self.config.clip_sample_range)
        eps = (inverse_signal * sample - x_0) / inverse_ratio
        # The reference takes these two square roots in float32, from the float32 rounding of alpha_bar.
        target_alpha = torch.tensor(target, dtype=torch.float32, device=sample.device)
        moved = target_alpha.sqrt() * x_0 + (1 - target_alpha).sqrt() * eps
        return DDIMSchedulerOutput(prev_sample=moved, pred_original_sample=x_0) if return_dict else (moved, x_0)

    def __len__(self) -> int:
        return self.config.num_train_timesteps


class QuadraticDDIMScheduler(DDIMScheduler):
    """DDIM from the last timestep of training on, with steps that grow quadratically away from the image.

    Source: the quadratic selection of timesteps in "Denoising Diffusion Implicit Models", appendix D.2. With few steps
    it comes nearer than even ones to what many would draw; docs/speed.md, "Few steps".
    """

    def set_timesteps(self, num_inference_steps: int, device: torch.device | str | None = None) -> None:
        """Choose t_i = (T - 1) (i / N)^2, i = 1..N, for both directions.

        Raises:
            ValueError: if there are not so many different timesteps.
        """
        last = self.config.num_train_timesteps - 1
        ascending = [round(last * (i / num_inference_steps) ** 2) for i in range(1, num_inference_steps + 1)]
        if num_inference_steps < 1 or len(set(ascending)) < num_inference_steps:
            raise ValueError(
                f"Expected a number of steps whose quadratic timesteps differ, received {num_inference_steps}. "
                "Use fewer steps, or the scheduler ddim."
            )
        self._follow(ascending, device)
