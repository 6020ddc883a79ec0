"""The files behind paths that a user names: single files, folders, and the authors' zip and tar archives.

Archives are unpacked into a temporary folder, regular files of known kinds only, within limits of size.
"""

from __future__ import annotations

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tqdm import tqdm

from .. import images

try:
    from lzma import LZMAError
except ImportError:  # a Python built without it: tarfile and zipfile do without it too
    LZMAError = EOFError

# What the authors' files end in; nothing else is unpacked or looked at.
KNOWN_SUFFIXES = (".pt", ".pth", ".ckpt", ".tar", ".pkl", ".npy", ".yaml", ".yml", ".zip", ".tgz", ".gz", ".onnx")
MAX_MEMBER_BYTES = 8 * 2**30
MAX_UNPACKED_BYTES = 24 * 2**30
MAX_MEMBERS = 20_000
MAX_DEPTH = 2  # an archive inside an archive
CHUNK_BYTES = 2**22
# Room that is left on the disk.
SPARE_BYTES = 2**28
UNPACKING_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    zlib.error,
    LZMAError,
)


@dataclass(frozen=True)
class FoundFile:
    """A file to look at.

    Attributes:
        path: where its bytes lie.
        shown: how a person knows it, such as "EMOCA.zip: models/cfg.yaml".
        is_named: the person named this very file, not a folder or archive around it.
        problem: why an archive could not be looked into; it is damaged, too large, or leads out of its folder.
    """

    path: Path
    shown: str
    is_named: bool = False
    problem: str = ""


class _NoRoomError(OSError):
    """Not enough room to unpack."""


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    open: Callable[[], BinaryIO]


def found_files(paths: Sequence[Path], temporary: Path) -> Iterator[FoundFile]:
    """Every file behind `paths`, with archives unpacked into `temporary`.

    Args:
        paths: files, folders, archives.
        temporary: an empty folder, whose removal is the caller's.

    Raises:
        FileNotFoundError: if a path does not exist.
        OSError: if there is not enough room to unpack.
    """
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"Expected a file, folder or archive, received {path}, which is none. Check it.")
    for path in paths:
        for found in _files_at(path, str(path), temporary, MAX_DEPTH):
            yield replace(found, is_named=found.path == path)


def _files_at(path: Path, shown: str, temporary: Path, depth: int) -> Iterator[FoundFile]:
    if path.is_dir():
        for file in sorted(file for file in path.rglob("*") if file.is_file() and file.name.endswith(KNOWN_SUFFIXES)):
            yield from _files_at(file, _joined(shown, file.relative_to(path)), temporary, depth)
    elif depth and _is_archive(path):
        folder = temporary / f"{len(list(temporary.iterdir()))}"
        folder.mkdir()
        try:
            _unpack(path, shown, folder)
        except ValueError as error:
            yield FoundFile(path, shown, problem=str(error))
            return
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            inside = f"{shown}: {file.relative_to(folder).as_posix()}"
            yield from _files_at(file, inside, temporary, depth - 1)
    else:
        yield FoundFile(path, shown)


def _joined(shown: str, inside: Path) -> str:
    return f"{shown.rstrip('/')}/{inside.as_posix()}"


def _is_archive(path: Path) -> bool:
    """PyTorch's own files are zips too, and may be called .tar or .zip: those are files here."""
    try:
        if zipfile.is_zipfile(path):
            return not zip_member_names(path) & {"data.pkl", "constants.pkl"}
        return tarfile.is_tarfile(path)
    except UNPACKING_ERRORS:
        return True  # a damaged one; unpacking says so


def _unpack(path: Path, shown: str, folder: Path) -> None:
    """Raise ValueError if the archive cannot be used, OSError if the disk refuses."""
    try:
        with _members(path) as members:
            wanted = _wanted(members, shown)
            total = sum(member.size for member in wanted)
            _check_room(total, shown, folder)
            with tqdm(total=total, desc=f"Unpack {path.name}", unit="B", unit_scale=True, leave=False) as bar:
                for member in wanted:
                    _copy(member, folder / _inside_path(member.name, shown), bar)
    except _NoRoomError:
        raise
    except (*UNPACKING_ERRORS, OSError) as error:
        # Damaged gzip and bzip2 streams raise an OSError without a number; the other two come of names that clash.
        is_disks = getattr(error, "errno", None) and not isinstance(error, (FileExistsError, NotADirectoryError))
        if is_disks:
            raise images.unwritable(folder, error) from error
        raise ValueError(
            f"Expected a whole archive, received {shown} ({error}). Download it again, or unpack it with a program of "
            "your own and import the folder."
        ) from error


def _check_room(total: int, shown: str, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if total + SPARE_BYTES > free:
        raise _NoRoomError(
            f"Expected {total / 2**20:.0f} MiB free to unpack {shown}, received {free / 2**20:.0f} MiB in "
            f"{folder.parent}. Free some space, or unpack it elsewhere and import the folder."
        )


def zip_member_names(path: Path) -> set[str]:
    """Names of a zip file's members, without their folders.

    Raises:
        zipfile.BadZipFile, NotImplementedError: if its list is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        return {PurePosixPath(name).name for name in archive.namelist()}


@contextmanager
def _members(path: Path) -> Iterator[Iterable[_Member]]:
    """Regular files of an archive; links, devices and folders are not even listed."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            files = (info for info in archive.infolist() if not info.is_dir() and not _is_zipped_link(info))
            yield (_Member(info.filename, info.file_size, lambda info=info: archive.open(info)) for info in files)
    else:
        with tarfile.open(path) as archive:
            files = (info for info in archive if info.isreg())
            yield (_Member(info.name, info.size, lambda info=info: archive.extractfile(info)) for info in files)


def _is_zipped_link(info: zipfile.ZipInfo) -> bool:
    return (info.external_attr >> 16) & 0o170000 == 0o120000


def _wanted(members: Iterable[_Member], shown: str) -> list[_Member]:
    wanted: list[_Member] = []
    for count, member in enumerate(members):
        if count >= MAX_MEMBERS:
            raise ValueError(f"Expected at most {MAX_MEMBERS} files in {shown}, received more. Unpack it yourself.")
        if member.name.endswith(KNOWN_SUFFIXES):
            wanted.append(member)
    largest, total = max((member.size for member in wanted), default=0), sum(member.size for member in wanted)
    if largest > MAX_MEMBER_BYTES or total > MAX_UNPACKED_BYTES:
        raise ValueError(
            f"Expected an archive of at most {MAX_UNPACKED_BYTES >> 30} GiB, none of its files above "
            f"{MAX_MEMBER_BYTES >> 30} GiB, received {shown} with {total / 2**30:.1f} GiB. Unpack it yourself and "
            "import the files."
        )
    return wanted


def _inside_path(name: str, shown: str) -> PurePosixPath:
    """The member's path below the folder it is unpacked into.

    Raises:
        ValueError: if its name leads elsewhere.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or set(":\0") & set(name) or not path.parts:
        raise ValueError(
            f"Expected files inside the archive's own folder, received {name!r} in {shown}, which leads out of it. "
            "Nothing of it was imported; take the archive from its authors again."
        )
    return path


def _copy(member: _Member, target: Path, bar: tqdm) -> None:
    """Copy in pieces, never more than the archive's list says."""
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.size
    with member.open() as source, target.open("xb") as sink:
        while chunk := source.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise ValueError(f"Expected {member.size} bytes of {member.name}, received more. Do not trust it.")
            sink.write(chunk)
            bar.update(len(chunk))
