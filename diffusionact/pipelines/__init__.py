"""The pipeline: everything a caller needs, in one object."""

from .exact import ExactReenactment
from .reenactment import DiffusionActPipeline, ReenactedFrame
from .trackers import TRACKERS, load_faces, usable_trackers

__all__ = [
    "TRACKERS",
    "DiffusionActPipeline",
    "ExactReenactment",
    "ReenactedFrame",
    "load_faces",
    "usable_trackers",
]
