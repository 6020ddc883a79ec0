"""Files of networks in the weights folder: what they are for, where they lie, and their tensors.

What a file is, where it comes from and on what terms stands in `weights/perception_catalogue.py` and
`weights/catalogue.py` alone. Here only imported files are read, safetensors; `conversion/published_networks.py` reads
the published ones too and is handed over as a `TensorReader`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..weights import PERCEPTION_FOLDER_NAME, OfficialFile, catalogue_entry, find_weights

SAFETENSORS_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class NetworkFile:
    """A file of the catalogue and what its network is for.

    Attributes:
        name: of its entry in the catalogue.
        network: its name in messages.
        needed_for: the losses or metric that need it, for messages.
        remedy: what a user does who has no such file.
        part: the entry of the published file that holds the weights; empty if the file is nothing else; None if the
            published files must be imported.
    """

    name: str
    network: str
    needed_for: str
    remedy: str
    part: str | None

    @property
    def entry(self) -> OfficialFile:
        """What the catalogue says of the file."""
        return catalogue_entry(self.name)

    @property
    def in_words(self) -> str:
        """File, network, source and terms, in one line for messages."""
        names = " or ".join(self.entry.file_names)
        return f"{names} ({self.network}; from {self.entry.origin}; licence: {self.entry.licence})"


# Reads the tensors of a file, under the names that its network has for them.
TensorReader = Callable[[NetworkFile, Path], Mapping[str, Tensor]]


def read_imported(file: NetworkFile, path: Path) -> Mapping[str, Tensor]:
    """The tensors of a file that `diffusionact weights import` wrote: the `TensorReader` of imported files.

    Raises:
        ValueError: if it is no safetensors file, or a damaged one.
    """
    if path.suffix != SAFETENSORS_SUFFIX:
        raise ValueError(
            f"Expected {file.network} as `diffusionact weights import` writes it, a safetensors file, received {path}. "
            "Import it first."
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"Expected a complete safetensors file of {file.network}, received {path} of {path.stat().st_size} bytes "
            f"({error}). Import {' or '.join(file.entry.file_names)} again with `diffusionact weights import`."
        ) from error


def find_file(entry: OfficialFile, folder: Path | None = None) -> Path | None:
    """Where a file of the catalogue lies, as imported or as published; None if it is nowhere.

    Args:
        entry: of the catalogue.
        folder: the only folder to look in; None looks in the weights folders and in `perception` in them.
    """
    names = (Path(entry.component).name, *entry.file_names)
    if folder is not None:
        return next((folder / name for name in names if (folder / name).is_file()), None)
    candidates = [tuple(entry.component.split("/")), *((PERCEPTION_FOLDER_NAME, name) for name in names)]
    found = (find_weights(*parts) for parts in [*candidates, *((name,) for name in entry.file_names)])
    return next((path for path in found if path is not None), None)


def missing_file(file: NetworkFile, path: Path) -> FileNotFoundError:
    """The error of a file that is not there: which, where it comes from, its terms, what needs it, what to do."""
    how_to_get = f"run {file.entry.how_to_get}" if file.entry.url else file.entry.how_to_get
    return FileNotFoundError(
        f"Expected {file.in_words} for {file.needed_for}, received {path} without it. To get it, "
        f"{how_to_get} and run `diffusionact weights import` with it, or give its path, or {file.remedy}."
    )
