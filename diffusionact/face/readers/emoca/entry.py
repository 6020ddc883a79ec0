"""The authors' face reader in the registry, and where its files are looked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....weights import EMOCA_FOLDER_NAME, find_weights, weights_folder
from ..entry import FaceReaderEntry
from .components import COMPONENTS
from .flame import FlameModel
from .reader import EmocaFaceReader


def load(folder: Path | None) -> EmocaFaceReader:
    """The reader of the files in a folder; None looks in the weights folder.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is broken.
    """
    return EmocaFaceReader.from_folder(find_folder(COMPONENTS) if folder is None else folder)


def is_usable() -> bool:
    """Whether all files lie in the weights folder."""
    return not missing_files(COMPONENTS)


ENTRY = FaceReaderEntry(
    name=EmocaFaceReader.name,
    description="the authors' face networks, which you bring: S3FD, FAN, EMOCA, FLAME and gaze",
    load=load,
    is_usable=is_usable,
    face_model=FlameModel.name,
    folder="holds what `diffusionact weights import` writes; None looks in the weights folder",
)


def find_folder(components: Mapping[str, tuple[str, Any]]) -> Path:
    """The folder with the authors' face networks in the weights folder.

    Args:
        components: what must be there, `COMPONENTS` or `DECA_COMPONENTS`.

    Raises:
        FileNotFoundError: if a file is missing.
    """
    missing = missing_files(components)
    if missing:
        raise FileNotFoundError(
            f"Expected the authors' face networks in {weights_folder() / EMOCA_FOLDER_NAME}, received it without "
            f"{', '.join(missing)}. `diffusionact weights list` says where each file comes from; put them there with "
            "`diffusionact weights import`, or use the face reader 'open'."
        )
    return find_weights(EMOCA_FOLDER_NAME)


def missing_files(components: Mapping[str, tuple[str, Any]]) -> list[str]:
    """Names of the files that the weights folder lacks."""
    folder = find_weights(EMOCA_FOLDER_NAME)
    names = [file_name for file_name, _ in components.values()]
    return [name for name in names if folder is None or not (folder / name).is_file()]
