"""What the registry knows of a face reader before it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .reader import FaceReader


@dataclass(frozen=True)
class FaceReaderEntry:
    """One face reader of `registry.FACE_READERS`.

    Attributes:
        name: what users choose it by; the `name` of the reader.
        description: one line for help texts.
        load: folder or None -> the reader on the CPU; raises FileNotFoundError, ModuleNotFoundError or ValueError where
            its files or its package are absent or broken.
        is_usable: whether `load(None)` would find its files and its package; quick, loads nothing.
        face_model: `FaceModel.name` of the face model that draws its coefficients; readers may share one.
        folder: what the folder given to `load` holds, and what None means.
    """

    name: str
    description: str
    load: Callable[[Path | None], FaceReader]
    is_usable: Callable[[], bool]
    face_model: str
    folder: str
