"""Face readers by name: which there are, which can be used here, and how one is loaded.

Another package adds one by an entry point of the group ENTRY_POINT_GROUP whose name is the reader's and whose object is
its `FaceReaderEntry`; a program does by `register_face_reader`. Entry points are looked up when somebody asks, never at
import, and only the one that is asked for is loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ...checks import check_choice
from . import insightface
from .deca import entry as deca
from .emoca import entry as emoca
from .entry import FaceReaderEntry
from .open import reader as open_reader
from .reader import FaceModel, FaceReader

ENTRY_POINT_GROUP = "diffusionact.face_readers"

logger = logging.getLogger(__name__)


class FaceReaderRegistry(Mapping[str, FaceReaderEntry]):
    """Name -> entry; iterating gives the names, those of other packages last.

    Args:
        entries: those that are always there, in the order in which they are shown.
    """

    def __init__(self, *entries: FaceReaderEntry):
        self._entries = {entry.name: entry for entry in entries}

    def register(self, entry: FaceReaderEntry) -> None:
        """Add an entry.

        Raises:
            ValueError: if another one has its name.
        """
        if self._entries.get(entry.name, entry) != entry:
            raise ValueError(
                f"Expected a new name for a face reader, received {entry.name!r}, which is taken. Choose another name."
            )
        self._entries[entry.name] = entry

    def __getitem__(self, name: str) -> FaceReaderEntry:
        if name in self._entries:
            return self._entries[name]
        return _load_entry(_entry_points()[name])

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._entries, *_entry_points()]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in list(self)  # without loading an entry point


FACE_READERS = FaceReaderRegistry(open_reader.ENTRY, emoca.ENTRY, insightface.ENTRY, deca.ENTRY)


def register_face_reader(entry: FaceReaderEntry) -> None:
    """Add a face reader for this process; `ENTRY_POINT_GROUP` does for every process.

    Raises:
        ValueError: if another one has its name.
    """
    FACE_READERS.register(entry)


def load_face_reader(name: str, folder: str | Path | None = None) -> FaceReader:
    """Load a face reader with its face model, on the CPU.

    Args:
        name: one of FACE_READERS.
        folder: see `FaceReaderEntry.folder`; None looks where its files usually are.

    Raises:
        ValueError: if there is no such face reader, or one of its files is broken.
        FileNotFoundError: if its files are not there.
        ModuleNotFoundError: if its package is not installed.
    """
    check_choice("face reader", name, tuple(FACE_READERS))
    return FACE_READERS[name].load(None if folder is None else Path(folder))


def usable_face_readers() -> tuple[str, ...]:
    """The names that `load_face_reader` takes here: "open", and those whose files or package are there."""
    return tuple(entry.name for entry in _loadable_entries() if entry.is_usable())


def load_reader_of_face_model(face_model: str) -> FaceReader:
    """The first usable face reader whose face model has this name, on the CPU: it draws what that model measured.

    Raises:
        ValueError: if no face reader has such a face model, or one of its files is broken.
        FileNotFoundError, ModuleNotFoundError: if none that has it can be used here.
    """
    first = None
    for entry in _loadable_entries():
        if entry.face_model == face_model:
            first = first or entry
            if entry.is_usable():
                return entry.load(None)
    if first is None:
        known = sorted({entry.face_model for entry in _loadable_entries()})
        raise ValueError(
            f"Expected a face model of an installed face reader ({', '.join(known)}), received {face_model!r}. Install "
            "the face reader that the file was made with, or make it again with one that is here."
        )
    return first.load(None)  # explains what is missing


def load_face_model(name: str) -> FaceModel:
    """The face model of this name, on the CPU; errors as `load_reader_of_face_model`."""
    return load_reader_of_face_model(name).face_model


def _loadable_entries() -> Iterator[FaceReaderEntry]:
    """All entries, one by one; one of another package that cannot be imported is left out with a warning."""
    for name in FACE_READERS:
        try:
            entry = FACE_READERS[name]
        except (ImportError, AttributeError, TypeError) as error:
            logger.warning("The face reader %r of another package cannot be used: %s", name, error)
            continue
        yield entry


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def _load_entry(point: EntryPoint) -> FaceReaderEntry:
    """The entry that an entry point names.

    Raises:
        ImportError, AttributeError: if it names nothing.
        TypeError: if it names something else.
    """
    entry = point.load()
    # By its parts, not its class: beside a ComfyUI pack, which has a library of its own, there may be a second one.
    if not all(hasattr(entry, field.name) for field in fields(FaceReaderEntry)) or entry.name != point.name:
        raise TypeError(
            f"Expected a FaceReaderEntry named {point.name!r} from the entry point {point.value!r}, received "
            f"{entry!r}. Update the package that provides it."
        )
    return entry
