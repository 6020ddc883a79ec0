"""How frames are sampled, and the loops that do it: decoding from x_T or from images, and inversion to x_T.

The loops serve inference and training alike. A model is called as `model(x_t, timestep, conditioning)` and predicts in
float32 what the scheduler's prediction type says; nothing here looks into the conditioning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..checks import check_choice
from ..schedulers import SCHEDULERS
from .conditioning import Conditioning

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_utils import SchedulerMixin

Model = Callable[[Tensor, Tensor, Conditioning], Tensor]
StepCallback = Callable[[int, int], None]
PreviewCallback = Callable[[Tensor], None]


@dataclass(frozen=True)
class Sampling:
    """How an engine that samples renders its frames; the others do not look at it.

    Attributes:
        num_inference_steps: network calls per frame; None takes the model's own number.
        scheduler: name of a sampler, one of `schedulers.SCHEDULERS`, or a scheduler of diffusers with the model's
            prediction type; None is the model's own.
    """

    num_inference_steps: int | None = None
    scheduler: str | SchedulerMixin | None = None


# Presets of a model that brings none; `benchmarks/presets.py` measures what they are worth.
DEFAULT_PRESETS: Mapping[str, Sampling] = MappingProxyType(
    {"fast": Sampling(6, "dpm"), "balanced": Sampling(10, "dpm"), "paper": Sampling(20, "ddim")}
)


def presets_to_json(presets: Mapping[str, Sampling]) -> dict[str, list[Any]]:
    """Presets as model_index.json holds them: name -> [scheduler, steps]."""
    return {name: [preset.scheduler, preset.num_inference_steps] for name, preset in presets.items()}


def presets_from_json(content: Any, path: Path) -> dict[str, Sampling]:
    """The inverse of `presets_to_json`.

    Raises:
        ValueError: if a preset is not a known scheduler with a number of steps from 1 to 1000.
    """
    presets = {}
    for name, value in content.items() if isinstance(content, dict) else [("presets", content)]:
        is_pair = isinstance(value, list) and len(value) == 2 and type(value[1]) is int and 1 <= value[1] <= 1000
        if not is_pair:
            raise ValueError(
                f"Expected presets such as {presets_to_json(DEFAULT_PRESETS)} in {path}, received {name}: {value!r}. "
                "The file is damaged or of another version; fetch the model again."
            )
        check_choice(f"the scheduler of preset {name!r} in {path}", value[0], tuple(SCHEDULERS))
        presets[name] = Sampling(value[1], value[0])
    return presets


def sample(
    model: Model,
    scheduler: SchedulerMixin,
    x_T: Tensor,
    conditioning: Conditioning,
    num_inference_steps: int,
    on_step: StepCallback | None = None,
    on_preview: PreviewCallback | None = None,
) -> Tensor:
    """Decode x_T into images; differentiable where the model is and gradients are on.

    Args:
        model: predicts.
        scheduler: of the model's prediction type; its timesteps are set here.
        x_T: (F, 3, H, W) stochastic codes.
        conditioning: F rows.
        num_inference_steps: model calls.
        on_step: called after every model call with (done, total).
        on_preview: called after every model call with the images (F, 3, H, W) as they are expected to become.

    Returns:
        (F, 3, H, W), about [-1, 1]: our DDIM ends within the range, solvers of diffusers leave it a little.
    """
    scheduler.set_timesteps(num_inference_steps)
    x_t = x_T * scheduler.init_noise_sigma
    return _denoise(model, scheduler, x_t, scheduler.timesteps, conditioning, on_step, on_preview)


def sample_from_images(
    model: Model,
    scheduler: SchedulerMixin,
    images: Tensor,
    noise: Tensor,
    conditioning: Conditioning,
    num_inference_steps: int,
    num_skipped: int,
    on_step: StepCallback | None = None,
    on_preview: PreviewCallback | None = None,
) -> Tensor:
    """`sample` that begins in the middle of the schedule, at images that are near to what it should come to.

    x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps at the first timestep that is not skipped, see
    `DDIMScheduler.add_noise`; solvers of diffusers bring their own.

    Args:
        model: predicts.
        scheduler: of the model's prediction type; its timesteps are set here.
        images: (F, 3, H, W) in [-1, 1], x_0.
        noise: (F, 3, H, W), eps: the stochastic codes.
        conditioning: F rows.
        num_inference_steps: of the whole schedule.
        num_skipped: of these, not taken; at least one is left.
        on_step: called after every model call with (done, total).
        on_preview: see `sample`.

    Returns:
        (F, 3, H, W), about [-1, 1].
    """
    scheduler.set_timesteps(num_inference_steps)
    timesteps = scheduler.timesteps[num_skipped:]
    if hasattr(scheduler, "set_begin_index"):  # solvers of diffusers count their steps from here
        scheduler.set_begin_index(num_skipped)
    x_t = scheduler.add_noise(images, noise, timesteps[:1].repeat(len(images)).to(images.device))
    return _denoise(model, scheduler, x_t, timesteps, conditioning, on_step, on_preview)


def _denoise(
    model: Model,
    scheduler: SchedulerMixin,
    x_t: Tensor,
    timesteps: Tensor,
    conditioning: Conditioning,
    on_step: StepCallback | None,
    on_preview: PreviewCallback | None,
) -> Tensor:
    """Follow the timesteps from x_t (F, 3, H, W) to its images."""
    for done, timestep in enumerate(timesteps, start=1):
        prediction = model(scheduler.scale_model_input(x_t, timestep), timestep, conditioning)
        result = scheduler.step(prediction, timestep, x_t)
        x_t = result.prev_sample
        if on_preview is not None:
            on_preview(_expected_images(scheduler, result))
        if on_step is not None:
            on_step(done, len(timesteps))
    return x_t


def invert(
    model: Model,
    scheduler: SchedulerMixin,
    image: Tensor,
    conditioning: Conditioning,
    num_inversion_steps: int,
    on_step: StepCallback | None = None,
) -> Tensor:
    """DDIM inversion: the stochastic codes x_T (B, 3, H, W) from which the conditioning renders the images.

    Args:
        model: predicts.
        scheduler: our DDIM, which has `inversion_timesteps` and `reverse_step`.
        image: (B, 3, H, W) in [-1, 1].
        conditioning: B rows.
        num_inversion_steps: model calls.
        on_step: called after every model call with (done, total).
    """
    scheduler.set_timesteps(num_inversion_steps)
    x_t = image
    for done, timestep in enumerate(scheduler.inversion_timesteps, start=1):
        prediction = model(x_t, timestep, conditioning)
        x_t = scheduler.reverse_step(prediction, timestep, x_t).prev_sample
        if on_step is not None:
            on_step(done, len(scheduler.inversion_timesteps))
    return x_t


def _expected_images(scheduler: SchedulerMixin, result: Any) -> Tensor:
    images = getattr(result, "pred_original_sample", None)
    # Solvers of diffusers keep the images that they expect themselves.
    return scheduler.model_outputs[-1] if images is None else images
