"""A photo re-rendered in a driver's pose by geometry alone: mesh, textures, own rules for eyes and mouth."""

from .motion import coefficient_motion, mesh_motion
from .renderer import WarpRenderer
from .source import prepare_source, with_matte
from .values import WarpedFrames, WarpMotion, WarpSource

__all__ = [
    "WarpMotion",
    "WarpRenderer",
    "WarpSource",
    "WarpedFrames",
    "coefficient_motion",
    "mesh_motion",
    "prepare_source",
    "with_matte",
]
