"""Face trackers by name: which there are, which can be used here, and how one is loaded."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ...checks import check_choice
from ...weights import EMOCA_FOLDER_NAME, find_weights, weights_folder
from .emoca import COMPONENTS
from .emoca.reader import EmocaFaceReader
from .insightface import InsightFaceReader
from .open.reader import OpenFaceReader
from .reader import FaceReader

FACE_READERS = ("open", "emoca", "insightface")


def load_face_reader(name: str, folder: str | Path | None = None) -> FaceReader:
    """Load a tracker with its face model, on the CPU.

    Args:
        name: "open" (bundled), "emoca" (the authors' files) or "insightface" (the package of that name finds the faces,
            the bundled nets measure them).
        folder: for "emoca", the folder of its files; None looks in the weights folder. For "insightface", the root
            folder of its models; None is the package's own.

    Raises:
        ValueError: if there is no such tracker, or one of its files is broken.
        FileNotFoundError: if its files are not there.
        ModuleNotFoundError: if its package is not installed.
    """
    check_choice("tracker", name, FACE_READERS)
    if name == "emoca":
        return EmocaFaceReader.from_folder(_emoca_folder() if folder is None else Path(folder))
    if name == "insightface":
        return InsightFaceReader(folder)
    return OpenFaceReader()


def usable_face_readers() -> tuple[str, ...]:
    """The names that `load_face_reader` takes here: "open", and those whose files or package are there."""
    usable = {
        "open": True,
        "emoca": not _missing_files(find_weights(EMOCA_FOLDER_NAME)),
        "insightface": find_spec("insightface") is not None,
    }
    return tuple(name for name in FACE_READERS if usable[name])


def _emoca_folder() -> Path:
    folder = find_weights(EMOCA_FOLDER_NAME)
    missing = _missing_files(folder)
    if missing:
        raise FileNotFoundError(
            f"Expected the authors' face networks in {weights_folder() / EMOCA_FOLDER_NAME}, received it without "
            f"{', '.join(missing)}. `diffusionact weights list` says where each file comes from; put them there with "
            "`diffusionact weights import`, or use the tracker 'open'."
        )
    return folder


def _missing_files(folder: Path | None) -> list[str]:
    names = [file_name for file_name, _ in COMPONENTS.values()]
    return [name for name in names if folder is None or not (folder / name).is_file()]
