"""A photo re-rendered in a driver's pose by geometry alone: mesh, textures, own rules for eyes and mouth."""

from .detail import add_detail, split_side
from .motion import coefficient_motion, mesh_motion
from .reading import FaceReading, read_face
from .renderer import WarpRenderer
from .source import prepare_source, with_matte
from .values import WarpedFrames, WarpMotion, WarpSource
from .whole_photo import PhotoRegion, lay_on_photo, photo_output, photo_region

__all__ = [
    "FaceReading",
    "PhotoRegion",
    "WarpMotion",
    "WarpRenderer",
    "WarpSource",
    "WarpedFrames",
    "add_detail",
    "coefficient_motion",
    "lay_on_photo",
    "mesh_motion",
    "photo_output",
    "photo_region",
    "prepare_source",
    "read_face",
    "split_side",
    "with_matte",
]
