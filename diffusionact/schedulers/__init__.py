"""The sampler and its inversion."""

from .ddim import DDIMScheduler

__all__ = ["DDIMScheduler"]
