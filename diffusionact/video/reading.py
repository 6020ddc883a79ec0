"""Videos, animations and folders of images read frame by frame: exact times, upright frames, flat memory.

A frame is (H, W, 3) uint8 RGB, as a player shows it: turned and mirrored as the file asks for, with square pixels, in
the colours of an ordinary display. Reading yields every stored frame once, with the time at which it shows; at a
constant rate frames are repeated and left out instead.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ..checks import check_positive_int
from ..images import IMAGE_ERRORS, describe_missing, open_image, prepare_heic, too_many_pixels
from .frame_source import FrameSource, StoredFrames, broken_file, select
from .stills import MICROSECONDS, STILL_FRAME_RATE, open_animation, open_folder, open_images
from .video_file import open_video

__all__ = ["STILL_FRAME_RATE", "FrameSource", "is_clip", "open_frames"]

MAX_FRAME_RATE = 1000
# Of files that are sources: one of another name is taken for a photo, and rejected as one.
VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".gif"}
ANIMATED_FORMATS = {"GIF", "PNG", "WEBP", "AVIF"}


def open_frames(
    path: str | os.PathLike[str],
    start: Fraction | float = 0,
    end: Fraction | float | None = None,
    frame_rate: Fraction | None = None,
    is_constant: bool = False,
    keep_damaged: bool = False,
    stride: int = 1,
) -> FrameSource:
    """Open a video, an animated image (webp, gif, apng), a folder of images or one image.

    Images in a folder are sorted naturally (2 before 10); they and single images get 25 frames per second. Other
    files in the folder, and hidden ones, are passed over. The kind of a file is found from its content.

    Args:
        path: file or folder.
        start: seconds from the first frame; frames that begin earlier are left out.
        end: seconds from the first frame; frames that begin then or later are left out; None is the clip's.
        frame_rate: repeat and leave out frames so that they follow each other at this rate; None takes them as stored.
        is_constant: do that at the clip's usual rate, where no other is given.
        keep_damaged: leave out what cannot be decoded of a video, and say so in `FrameSource.problems`, in place of an
            error.
        stride: takes every n-th frame of that rate, or of the clip's usual one; the clip lasts as long as before.

    Raises:
        FileNotFoundError: if nothing lies at `path`.
        ValueError: if it is unreadable, truncated at its beginning, without frames, or empty between start and end.
    """
    stored = _open_stored(Path(path), keep_damaged)
    check_positive_int("stride", stride)
    rate = stored.pace.rate if frame_rate is None and (is_constant or stride > 1) else frame_rate
    rate = None if rate is None else Fraction(rate) / stride
    if rate is not None and not 0 < rate <= MAX_FRAME_RATE:
        raise ValueError(f"Expected a frame rate above 0 and at most {MAX_FRAME_RATE}, received {rate}; correct it.")
    return select(stored, _exact(start), None if end is None else _exact(end), rate)


def is_clip(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a video or an animation, or a folder of images: what is no single photo."""
    path = Path(path)
    if not path.is_file():
        return path.is_dir()
    prepare_heic(path)
    try:
        with Image.open(path) as image:
            return image.format == "MPEG" or (image.format in ANIMATED_FORMATS and getattr(image, "n_frames", 1) > 1)
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError):
        return path.suffix.lower() in VIDEO_SUFFIXES


def _exact(seconds: Fraction | float) -> Fraction:
    """0.4 as 2/5, which a float is not."""
    return Fraction(seconds).limit_denominator(MICROSECONDS)


def _open_stored(path: Path, keep_damaged: bool) -> StoredFrames:
    if path.is_dir():
        return open_folder(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a video, an image or a folder of images, {describe_missing(path)}")
    prepare_heic(path)
    try:
        with open_image(path) as image:
            is_animated = image.format in ANIMATED_FORMATS and getattr(image, "n_frames", 1) > 1
    except UnidentifiedImageError:
        return open_video(path, keep_damaged)
    except Image.DecompressionBombError as error:
        raise too_many_pixels(path) from error
    except IMAGE_ERRORS as error:
        raise broken_file(path, 0, str(error)) from error
    return open_animation(path) if is_animated else open_images(path, [path])
