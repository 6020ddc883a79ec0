"""The sampler and its inversion, and other samplers by name."""

from ..late_imports import late_imports
from .choice import DISTILLED, SCHEDULERS, make_scheduler

__getattr__ = late_imports(__name__, {".ddim": ("DDIMScheduler",)})

__all__ = ["DISTILLED", "SCHEDULERS", "DDIMScheduler", "make_scheduler"]
