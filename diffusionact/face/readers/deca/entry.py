"""DECA's face reader in the registry."""

from __future__ import annotations

from pathlib import Path

from ..emoca.components import DECA_COMPONENTS
from ..emoca.entry import find_folder, missing_files
from ..emoca.flame import FlameModel
from ..entry import FaceReaderEntry
from .reader import DecaFaceReader


def load(folder: Path | None) -> DecaFaceReader:
    """See `emoca.entry.load`."""
    return DecaFaceReader.from_folder(find_folder(DECA_COMPONENTS) if folder is None else folder)


def is_usable() -> bool:
    """Whether all files lie in the weights folder."""
    return not missing_files(DECA_COMPONENTS)


ENTRY = FaceReaderEntry(
    name=DecaFaceReader.name,
    description="the face networks of Finding Directions, which you bring: S3FD, FAN, DECA and FLAME; no gaze",
    load=load,
    is_usable=is_usable,
    face_model=FlameModel.name,
    folder="holds what `diffusionact weights import` writes; None looks in the weights folder",
)
