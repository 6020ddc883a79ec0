"""Samplers by name: our DDIM, and diffusers' faster solvers set up for the same model."""

from __future__ import annotations

from typing import Any

from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler
from diffusers.schedulers.scheduling_utils import SchedulerMixin

from .ddim import DDIMScheduler

SCHEDULERS = {"ddim": DDIMScheduler, "dpm": DPMSolverMultistepScheduler, "unipc": UniPCMultistepScheduler}
# The solvers' steps are even in the logarithm of the signal-to-noise ratio, from the last timestep on, as their authors
# do it. What they are worth with the demo model stands in docs/comfyui.md, "Presets and speed".
SPACING = {
    "ddim": {},
    "dpm": {"timestep_spacing": "linspace", "use_lu_lambdas": True},
    "unipc": {"timestep_spacing": "linspace", "use_exponential_sigmas": True},
}


def make_scheduler(name: str, config: dict[str, Any]) -> SchedulerMixin:
    """Build a sampler from the config of the model's own scheduler.

    Args:
        name: "ddim", "dpm" (DPM-Solver++) or "unipc".
        config: `pipeline.scheduler.config`.

    Raises:
        ValueError: if the name is none of these.
    """
    if name not in SCHEDULERS:
        raise ValueError(f"Expected a scheduler among {', '.join(SCHEDULERS)}, received {name!r}. Choose one of them.")
    return SCHEDULERS[name].from_config(config, **SPACING[name])
