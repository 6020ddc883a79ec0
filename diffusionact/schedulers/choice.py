"""Samplers by name: our DDIM with even and quadratic steps, and diffusers' faster solvers set up for the same model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_utils import SchedulerMixin

DISTILLED = "distilled"  # with it an engine takes the decoder that was trained for few steps
# Name -> what differs from the settings of the model's own scheduler. The solvers' steps are even in the logarithm of
# the signal-to-noise ratio, from the last timestep on, as their authors do it. What they are worth with the demo model
# stands in docs/comfyui.md, "Presets and speed".
SCHEDULERS = {
    "ddim": {},
    "ddim_quad": {},
    DISTILLED: {},
    "dpm": {"timestep_spacing": "linspace", "use_lu_lambdas": True},
    "unipc": {"timestep_spacing": "linspace", "use_exponential_sigmas": True},
}


def make_scheduler(name: str, config: dict[str, Any]) -> SchedulerMixin:
    """Build a sampler from the config of the model's own scheduler.

    Args:
        name: one of `SCHEDULERS`.
        config: `pipeline.scheduler.config`.

    Raises:
        ValueError: if the name is none of these.
    """
    if name not in SCHEDULERS:
        raise ValueError(f"Expected a scheduler among {', '.join(SCHEDULERS)}, received {name!r}. Choose one of them.")
    return _scheduler_class(name).from_config(config, **SCHEDULERS[name])


def _scheduler_class(name: str) -> type[SchedulerMixin]:
    if name == "ddim":
        from .ddim import DDIMScheduler

        return DDIMScheduler
    if name in ("ddim_quad", DISTILLED):
        from .ddim import QuadraticDDIMScheduler

        return QuadraticDDIMScheduler
    from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler

    return {"dpm": DPMSolverMultistepScheduler, "unipc": UniPCMultistepScheduler}[name]
