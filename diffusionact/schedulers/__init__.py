"""The sampler and its inversion, and other samplers by name."""

from ..late_imports import late_imports
from .choice import SCHEDULERS, make_scheduler

__getattr__ = late_imports(__name__, {".ddim": ("DDIMScheduler",)})

__all__ = ["SCHEDULERS", "DDIMScheduler", "make_scheduler"]
