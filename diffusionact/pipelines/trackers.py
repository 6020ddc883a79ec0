"""Face trackers by name: which there are, which can be used here, and how one is loaded."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ..checks import check_choice
from ..face.emoca import COMPONENTS
from ..face.emoca.tracker import EmocaFaceReader
from ..face.face_reader import FaceReader
from ..face.insightface_reader import InsightFaceReader
from ..face.open_face_reader import OpenFaceReader
from ..weights import TRACKER_FOLDER_NAME, find_weights, weights_folder

TRACKERS = ("open", "emoca", "insightface")


def load_faces(name: str, folder: str | Path | None = None) -> FaceReader:
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
    check_choice("tracker", name, TRACKERS)
    if name == "emoca":
        return EmocaFaceReader.from_folder(_emoca_folder() if folder is None else Path(folder))
    if name == "insightface":
        return InsightFaceReader(folder)
    return OpenFaceReader()


def usable_trackers() -> tuple[str, ...]:
    """The names that `load_faces` takes here: "open", and those whose files or package are there."""
    usable = {
        "open": True,
        "emoca": not _missing_files(find_weights(TRACKER_FOLDER_NAME)),
        "insightface": find_spec("insightface") is not None,
    }
    return tuple(name for name in TRACKERS if usable[name])


def _emoca_folder() -> Path:
    folder = find_weights(TRACKER_FOLDER_NAME)
    missing = _missing_files(folder)
    if missing:
        raise FileNotFoundError(
            f"Expected the authors' face networks in {weights_folder() / TRACKER_FOLDER_NAME}, received it without "
            f"{', '.join(missing)}. `diffusionact weights list` says where each file comes from; put them there with "
            "`diffusionact weights import`, or use the tracker 'open'."
        )
    return folder


def _missing_files(folder: Path | None) -> list[str]:
    names = [file_name for file_name, _ in COMPONENTS.values()]
    return [name for name in names if folder is None or not (folder / name).is_file()]
