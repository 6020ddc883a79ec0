"""The pipeline: everything a caller needs, in one object."""

import warnings
from typing import Any

from ..face.readers.registry import FACE_READERS, load_face_reader, register_face_reader, usable_face_readers
from .full_resolution import SizedOutput
from .official import OfficialProcedure
from .official_directions import OfficialDirections
from .reenactment import DiffusionActPipeline, ReenactedFrame
from .stream_hooks import StreamHooks

__all__ = [
    "FACE_READERS",
    "DiffusionActPipeline",
    "OfficialDirections",
    "OfficialProcedure",
    "ReenactedFrame",
    "SizedOutput",
    "StreamHooks",
    "load_face_reader",
    "register_face_reader",
    "usable_face_readers",
]

# Names of version 0.1.
RENAMED = {
    "ExactReenactment": OfficialProcedure,
    "TRACKERS": FACE_READERS,
    "load_faces": load_face_reader,
    "usable_trackers": usable_face_readers,
}


def __getattr__(name: str) -> Any:
    if name not in RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"{__name__}.{name} has a new name; see CHANGELOG.md", DeprecationWarning, stacklevel=2)
    return RENAMED[name]
