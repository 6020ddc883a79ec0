"""The pipeline: everything a caller needs, in one object."""

from .reenactment import DiffusionActPipeline, ReenactedFrame

__all__ = ["DiffusionActPipeline", "ReenactedFrame"]
