"""The clips of a folder and, from their names, who is in them: the layouts of the published data sets.

What each layout stands for, and where it is taken from, is written in docs/data.md.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from diffusionact.checks import check_choice
from diffusionact.video.stills import IMAGE_SUFFIXES

VIDEO_SUFFIXES = {".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts"}
# Folders of the usual VoxCeleb preparation that hold the same clips; the first one that is there counts.
VOXCELEB_FOLDERS = ("chunk_videos", "frames", "frames_cropped")
CROPPED_FOLDER = "frames_cropped"

VOXCELEB_PERSON = re.compile(r"id\d{5}")
VFHQ_NAME = re.compile(r"Clip\+(?P<video>.+)\+(?P<person>P\d+)\+C\d+\+F[\d-]+")
CELEBV_NAME = re.compile(r"(?P<video>[\w-]{11})_\d+")
HDTF_NAME = re.compile(r"(?:(?P<part>RD|WDA|WRA)_)?(?P<video>[A-Za-z]+\d*)_\d+")


@dataclass(frozen=True)
class Clip:
    """An uncut piece of a video.

    Attributes:
        name: unique in the folder: its path there.
        identity: name of the person.
        video: name of the video; one person is in it. Unique over all people.
        group: name shared by all clips that may show the same person; splits never divide it.
        paths: a video file, or image files in order.
        is_cropped: the images are aligned faces already.
    """

    name: str
    identity: str
    video: str
    group: str
    paths: tuple[Path, ...]
    is_cropped: bool = False

    @property
    def num_bytes(self) -> int:
        """Size of its files; a broken link counts nothing."""
        return sum(path.stat().st_size for path in self.paths if path.exists())


Naming = tuple[str, str, str]  # identity, video, group


def name_voxceleb(entry: PurePosixPath) -> Naming | None:
    """`.../id10271/37nktPRUJ58/...`, or one file `id10271#37nktPRUJ58#000993#001143.mp4`."""
    for number, part in enumerate(entry.parts):
        person, *rest = part.split("#")
        if VOXCELEB_PERSON.fullmatch(person):
            rest = rest or list(entry.parts[number + 1 :])
            if rest:
                return person, f"{person}/{rest[0]}", person
    return None


def name_vfhq(entry: PurePosixPath) -> Naming | None:
    """`Clip+VIDEO+P0+C2+F1537-1825`, a file or a folder of frames: persons are numbered within a video."""
    for part in reversed(entry.parts):
        found = VFHQ_NAME.match(part)
        if found:
            person = f"{found['video']}+{found['person']}"
            return person, person, found["video"]
    return None


def name_celebv(entry: PurePosixPath) -> Naming | None:
    """`M2Ohb0FAaJU_1.mp4`: who is in a clip is not told, and two clips of a video may show two people."""
    found = CELEBV_NAME.fullmatch(entry.stem)
    return (entry.stem, entry.stem, found["video"]) if found else None


def name_hdtf(entry: PurePosixPath) -> Naming | None:
    """`WRA_DebFischer0_000.mp4` or `DebFischer0_0.mp4`: speaker, number of the video, number of the clip."""
    found = HDTF_NAME.fullmatch(entry.stem)
    if found is None:
        return None
    video = found["video"]
    # "Radio11" is a programme; the speakers of the others are named.
    person = video if video.startswith("Radio") else video.rstrip("0123456789")
    return person, video, person


def name_person(entry: PurePosixPath) -> Naming | None:
    """`PERSON/...`: a folder for each person, a video for each file or folder in it."""
    if len(entry.parts) < 2:
        return None
    return entry.parts[0], str(entry), entry.parts[0]


def name_loose(entry: PurePosixPath) -> Naming:
    """Every file or folder of images is a person of its own."""
    return str(entry), str(entry), str(entry)


LAYOUTS: dict[str, Callable[[PurePosixPath], Naming | None]] = {
    "voxceleb": name_voxceleb,
    "vfhq": name_vfhq,
    "hdtf": name_hdtf,
    "celebv": name_celebv,
    "people": name_person,
    "clips": name_loose,
}
RECOGNISED = ("voxceleb", "vfhq", "hdtf", "celebv")  # by every name in the folder
HDTF_PARTS = ("RD_", "WDA_", "WRA_")


def find_clips(folder: Path, layout: str = "auto") -> tuple[str, list[Clip]]:
    """All clips below a folder, sorted by name, and the layout; "auto" takes the first whose names all fit.

    Raises:
        FileNotFoundError: if there is no such folder, or nothing to read in it.
        ValueError: if a name does not fit the layout.
    """
    check_choice("layout", layout, ("auto", *LAYOUTS))
    media = list(list_media(folder))
    if not media:
        raise FileNotFoundError(
            f"Expected a folder with videos or images, received {str(folder)!r} without any. Check --input."
        )
    if layout == "auto":
        layout = next((name for name in RECOGNISED if all(is_surely(name, entry) for entry, _ in media)), "clips")
    clips = []
    for entry, paths in media:
        naming = LAYOUTS[layout](entry)
        if naming is None:
            raise ValueError(
                f"Expected names of the layout {layout!r}, received {str(entry)!r}. Leave it out, or use "
                "--layout clips."
            )
        clips += split_chunks(entry, naming, paths) if layout == "voxceleb" else [Clip(str(entry), *naming, paths)]
    return layout, sorted(clips, key=lambda clip: clip.name)


def is_surely(layout: str, entry: PurePosixPath) -> bool:
    """Whether a name fits a layout and hardly anything else: "holiday_1.mp4" could be HDTF's only by accident."""
    return LAYOUTS[layout](entry) is not None and (layout != "hdtf" or entry.name.startswith(HDTF_PARTS))


def list_media(folder: Path) -> Iterable[tuple[PurePosixPath, tuple[Path, ...]]]:
    """Videos, and folders of images, by their path in the folder. Hidden names are passed over."""
    for path, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        doubled = [name for name in VOXCELEB_FOLDERS if name in folders][1:]
        folders[:] = [name for name in folders if name not in doubled]
        here = Path(path)
        visible = [here / name for name in sorted(files) if not name.startswith(".")]
        for file in visible:
            if file.suffix.lower() in VIDEO_SUFFIXES:
                yield PurePosixPath(file.relative_to(folder).as_posix()), (file,)
        images = [file for file in visible if file.suffix.lower() in IMAGE_SUFFIXES]
        if images:
            entry = here.relative_to(folder).as_posix()
            yield PurePosixPath(here.resolve().name if entry == "." else entry), tuple(images)


def split_chunks(entry: PurePosixPath, naming: Naming, paths: tuple[Path, ...]) -> list[Clip]:
    """The clips of a folder of frames named `CHUNK_NUMBER.png`; a video file is one clip."""
    is_cropped = CROPPED_FOLDER in entry.parts
    chunks = defaultdict(list)
    for path in paths:
        chunk, separator, _ = path.stem.partition("_")
        chunks[chunk if separator and entry.name in VOXCELEB_FOLDERS else ""].append(path)
    return [
        Clip(f"{entry}/{chunk}" if chunk else str(entry), *naming, tuple(files), is_cropped)
        for chunk, files in chunks.items()
    ]
