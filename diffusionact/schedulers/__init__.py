"""The sampler and its inversion, and other samplers by name."""

from .choice import SCHEDULERS, make_scheduler
from .ddim import DDIMScheduler

__all__ = ["SCHEDULERS", "DDIMScheduler", "make_scheduler"]
