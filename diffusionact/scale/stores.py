"""Files by path or address: local, `s3://`, `hf://` and others of fsspec. What is written appears when it is whole."""

from __future__ import annotations

import hashlib
import os
import uuid
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..images import written_under_temporary_name
from ..weights.folders import user_cache_folder

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

MARK = "://"
COPIES = "diffusionact-copies"
MAX_COPIES_BYTES = 20 * 10**9
HASH_LETTERS = 24


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether it is an address of a store rather than a path."""
    return MARK in str(path)


def join(folder: str, name: str) -> str:
    """A name as seen from a folder; paths from the root and addresses stay as they are."""
    if is_remote(name) or not is_remote(folder):
        return name if is_remote(name) else str(Path(folder) / name)
    return f"{folder.rstrip('/')}/{name}"


def parent(path: str) -> str:
    """The folder of a file."""
    return path.rpartition("/")[0] if is_remote(path) else str(Path(path).parent)


def suffix(path: str) -> str:
    """The suffix of a file's name, with its point."""
    return PurePosixPath(path.rpartition("/")[2]).suffix if is_remote(path) else Path(path).suffix


def exists(path: str) -> bool:
    """Whether there is such a file or folder."""
    if not is_remote(path):
        return Path(path).exists()
    store, key = _store(path)
    return store.exists(key)


def read_text(path: str) -> str:
    """A text file, UTF-8.

    Raises:
        FileNotFoundError: if there is none.
    """
    if not is_remote(path):
        return Path(path).read_text(encoding="utf-8-sig")
    store, key = _store(path)
    return store.cat_file(key).decode("utf-8-sig")


def write_text(path: str, text: str) -> None:
    """Write or replace a text file at once."""
    if is_remote(path):
        store, key = _store(path)
        store.pipe_file(key, text.encode())
        return
    with written_under_temporary_name(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def publish(file: Path, address: str) -> None:
    """Put a finished file into a store, in one piece: other readers see all of it or nothing."""
    store, key = _store(address)
    store.put_file(str(file), key)


def list_files(folder: str, ending: str) -> list[str]:
    """Addresses of the files of a folder in a store whose names end so, sorted."""
    store, key = _store(folder)
    names = (name.rpartition("/")[2] for name in store.ls(key, detail=False))
    return sorted(join(folder, name) for name in names if name.endswith(ending))


def content_stamp(address: str) -> str:
    """Letters that belong to an address and to what lies there now.

    Raises:
        FileNotFoundError: if there is nothing.
    """
    store, key = _store(address)
    return hashlib.sha256(f"{address} {store.ukey(key)}".encode()).hexdigest()[:HASH_LETTERS]


def read_range(path: str, first: int, number: int) -> bytes:
    """Bytes of a file, by the position of the first and how many they are; several threads may read at once."""
    if not is_remote(path):
        with open(path, "rb") as file:
            file.seek(first)
            return file.read(number)
    store, key = _store(path)
    return store.cat_file(key, start=first, end=first + number)


class LocalCopies:
    """Local copies of remote files; those that were used longest ago make room.

    An object that changed under its address is fetched anew.

    Args:
        folder: of the copies; processes of one machine may share it.
        max_bytes: of all copies together, but for the newest.
    """

    def __init__(self, folder: Path | None = None, max_bytes: int = MAX_COPIES_BYTES):
        self.folder = folder or user_cache_folder() / COPIES
        self.max_bytes = max_bytes

    def fetch(self, address: str) -> Path:
        """A local file with the content of a remote one.

        Raises:
            FileNotFoundError: if there is none.
        """
        store, key = _store(address)
        stamp = content_stamp(address)
        copy = self.folder / f"{stamp}{suffix(address)}"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            os.utime(copy)
            return copy
        unfinished = self.folder / f".{stamp}.{uuid.uuid4().hex[:8]}.tmp"
        try:
            store.get_file(key, str(unfinished))
            self._make_room(unfinished.stat().st_size)
            os.replace(unfinished, copy)
        finally:
            unfinished.unlink(missing_ok=True)
        return copy

    def _make_room(self, num_bytes: int) -> None:
        """Remove copies; a reader that has one open keeps it."""
        copies = self._copies()
        kept = num_bytes + sum(status.st_size for _, status in copies)
        for path, status in sorted(copies, key=lambda copy: copy[1].st_mtime):
            if kept <= self.max_bytes:
                return
            path.unlink(missing_ok=True)
            kept -= status.st_size

    def _copies(self) -> list[tuple[Path, os.stat_result]]:
        copies = []
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):  # another process of this machine may just have removed it
                if not path.name.startswith("."):
                    copies.append((path, path.stat()))
        return copies


def _store(address: str) -> tuple[AbstractFileSystem, str]:
    """The file system of an address, and its key there.

    Raises:
        ModuleNotFoundError: if a package for such addresses is missing.
    """
    try:
        from fsspec.core import url_to_fs

        return url_to_fs(address)
    except ImportError as error:
        raise ModuleNotFoundError(
            f"Expected what reads {address.partition(MARK)[0]}:// addresses, received: {error}. "
            'Install it with: pip install "diffusionact[scale]"'
        ) from error
