"""The pipeline: everything a caller needs, in one object."""

from ..face.readers.registry import FACE_READERS, load_face_reader, register_face_reader, usable_face_readers
from .official import OfficialProcedure
from .reenactment import DiffusionActPipeline, ReenactedFrame
from .stream_hooks import StreamHooks

__all__ = [
    "FACE_READERS",
    "DiffusionActPipeline",
    "OfficialProcedure",
    "ReenactedFrame",
    "StreamHooks",
    "load_face_reader",
    "register_face_reader",
    "usable_face_readers",
]
