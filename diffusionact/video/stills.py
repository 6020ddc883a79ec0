"""Frames that lie in image files: folders, single images, and animated images with the delays they ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from PIL import Image

from ..images import IMAGE_ERRORS, image_to_frame, load_image, open_image
from .frame_source import StoredFrames, broken_file
from .timing import FrameTime, Pace, TimedFrame, pace_of

STILL_FRAME_RATE = Fraction(25)
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
MICROSECONDS = 1_000_000
UNTIMED_FRAME_MS = 100  # what browsers show for an animation frame of duration 0


@dataclass(frozen=True, kw_only=True)
class ImageList(StoredFrames):
    """Image files, one per frame, at 25 frames per second."""

    images: tuple[Path, ...]

    def timed(self, after: Fraction) -> Iterator[TimedFrame]:
        """Yield the frames; only those that are asked for are read."""
        for index in range(max(0, int(after * self.pace.rate)), len(self.images)):
            yield FrameTime(index / self.pace.rate, 1 / self.pace.rate), load_image(self.images[index])


def open_folder(folder: Path) -> ImageList:
    """The images of a folder, sorted naturally."""
    visible = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    images = [entry for entry in visible if entry.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise ValueError(
            f"Expected a folder with images ({', '.join(sorted(IMAGE_SUFFIXES))}), received {str(folder)!r} with "
            f"{len(visible)} other entries; choose the folder that holds the frames."
        )
    return open_images(folder, sorted(images, key=_natural_key))


def open_images(path: Path, images: list[Path]) -> ImageList:
    """Image files in their order."""
    height, width, _ = load_image(images[0]).shape
    starts = tuple(float(index / STILL_FRAME_RATE) for index in range(len(images)))
    end = len(images) / STILL_FRAME_RATE
    return ImageList(path, Pace(STILL_FRAME_RATE, True), starts, end, (height, width), images=tuple(images))


def _natural_key(path: Path) -> list[tuple[int, str]]:
    """Sort key in which digit runs compare as numbers."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in parts]


@dataclass(frozen=True, kw_only=True)
class Animation(StoredFrames):
    """Frames of an animated image.

    Attributes:
        first: index of the first frame in the file.
        times: of the frames.
    """

    first: int
    times: tuple[FrameTime, ...]

    def timed(self, after: Fraction) -> Iterator[TimedFrame]:
        """Yield all frames; an animation stores changes, so none can be passed over."""
        for time, image in zip(self.times, _animation_images(self.path, self.first), strict=True):
            yield time, image_to_frame(image)


def _animation_images(path: Path, first: int) -> Iterator[Image.Image]:
    """Yield the loaded image once per frame from `first` on."""
    index = first
    try:
        with open_image(path) as image:
            for index in range(first, image.n_frames):
                image.seek(index)
                image.load()
                yield image
    except IMAGE_ERRORS as error:
        raise broken_file(path, index - first, str(error)) from error


def open_animation(path: Path) -> Animation:
    """Read all delays once; they are exact in milliseconds."""
    with open_image(path) as image:
        first = int(getattr(image, "default_image", False))  # an APNG may begin with a still that is no frame
        width, height = image.size
    delays = [
        Fraction(image.info.get("duration") or UNTIMED_FRAME_MS).limit_denominator(1000) / 1000
        for image in _animation_images(path, first)
    ]
    starts = list(accumulate(delays, initial=Fraction(0)))
    ticks = [round(start * MICROSECONDS) for start in starts[:-1]]
    pace = pace_of(ticks, Fraction(1, MICROSECONDS), [len(delays) / starts[-1]], STILL_FRAME_RATE)
    if pace.is_even:
        starts = [index / pace.rate for index in range(len(delays) + 1)]
    times = tuple(FrameTime(start, end - start) for start, end in zip(starts, starts[1:], strict=False))
    seconds = tuple(float(time.start) for time in times)
    return Animation(path, pace, seconds, starts[-1], (height, width), first=first, times=times)
