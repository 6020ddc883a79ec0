"""Uploads are looked at before any work: kind, size, pixels, frames, and the time that a job would take."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from PIL import Image

from diffusionact.checks import check_in_range
from diffusionact.images import IMAGE_ERRORS, open_image, prepare_heic
from diffusionact.video import FrameSource, open_frames

from .costs import in_words
from .settings import Limits

MEGABYTE = 1024 * 1024
MEGAPIXEL = 1_000_000
MAX_SECONDS = 1_000_000


def check_photo(path: str | None, limits: Limits, name: str = "source") -> Path:
    """See that an upload is a photo of usable size; its content says what it is, not its name.

    Raises:
        ValueError: if it is absent, no photo, too large, or unreadable.
    """
    if not path:
        raise ValueError(f"Expected a {name} photo, received none. Upload one, or choose an example.")
    image = Path(path)
    _check_file(image, f"{name} photo", limits)
    prepare_heic(image)
    try:
        with open_image(image) as opened:
            width, height = opened.size
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"Expected a {name} photo of at most {limits.image_megapixels} megapixels, received {image.name!r} "
            "of many times that. Make it smaller."
        ) from error
    except IMAGE_ERRORS as error:
        raise ValueError(
            f"Expected a {name} photo that opens, received {image.name!r}, which does not. "
            "Export it again as PNG or JPEG."
        ) from error
    if width * height > limits.image_megapixels * MEGAPIXEL:
        raise ValueError(
            f"Expected a {name} photo of at most {limits.image_megapixels} megapixels, received "
            f"{width} x {height} px. Make it smaller."
        )
    return image


def check_video(
    path: str | None,
    limits: Limits,
    start: float = 0,
    end: float = 0,
    name: str = "driving video",
    rate: Fraction | None = None,
    is_constant: bool = False,
) -> FrameSource:
    """See that an upload is a video of usable size, and open it; its content says what it is, not its name.

    Args:
        path: of the upload.
        limits: what a visitor may ask for.
        start, end: seconds of the part to open; 0 as the end is the video's.
        name: of the upload in messages.
        rate, is_constant: see `video.open_frames`.

    Raises:
        ValueError: if it is absent, no video, too large, unreadable, or empty between start and end.
    """
    if not path:
        raise ValueError(f"Expected a {name}, received none. Upload or record one, or choose an example.")
    start, end = start or 0, end or 0  # an emptied field is none
    check_in_range("start", start, 0, MAX_SECONDS)
    check_in_range("end", end, 0, MAX_SECONDS)
    _check_file(Path(path), name, limits)
    _check_driving_image(Path(path), limits)
    last = Fraction(end) if end else None
    clip = open_frames(path, Fraction(start), last, rate, is_constant=is_constant, keep_damaged=True)
    height, width = clip.size
    _check_sides(width, height, limits, name)
    return clip


def check_frames(frames: float | None, limits: Limits) -> int:
    """The number of frames that a visitor asked for, at most the limit; an emptied field asks for all.

    Raises:
        ValueError: if it is no number of frames.
    """
    frames = limits.frames if frames is None else frames
    check_in_range("frames", frames, 1, 10**9)
    return int(min(frames, limits.frames))


def check_time(seconds: float, frames: int, limits: Limits) -> None:
    """See that a job ends in reasonable time.

    Raises:
        ValueError: if its estimate is beyond the limit.
    """
    if seconds > limits.seconds:
        raise ValueError(
            f"Expected a job of at most {in_words(limits.seconds)}, received {frames} frames, which would take about "
            f"{in_words(seconds)} here. Choose fewer frames or a lower quality."
        )


def _check_driving_image(path: Path, limits: Limits) -> None:
    """Look at a still or an animation before `open_frames` decodes it; of videos it decodes one frame only."""
    try:
        with open_image(path) as opened:
            (width, height), count = opened.size, getattr(opened, "n_frames", 1)
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"Expected a driving image of at most {limits.video_side_px} px a side, received {path.name!r} of many "
            "times that. Make it smaller."
        ) from error
    except IMAGE_ERRORS:  # no image, or a broken one: `open_frames` says what is wrong
        return
    _check_sides(width, height, limits)
    if count > limits.frames:
        raise ValueError(
            f"Expected an animation of at most {limits.frames} frames, received {path.name!r} of {count}. Cut it, or "
            "export it as a video."
        )


def _check_sides(width: int, height: int, limits: Limits, name: str = "driving video") -> None:
    if max(width, height) > limits.video_side_px:
        raise ValueError(
            f"Expected a {name} of at most {limits.video_side_px} px a side, received {width} x {height} px. "
            "Make it smaller."
        )


def _check_file(path: Path, what: str, limits: Limits) -> None:
    if not path.is_file():
        raise ValueError(
            f"Expected a {what}, received {path.name!r}, which is no longer here: uploads are kept for "
            f"{in_words(limits.keep_seconds)}. Upload it again."
        )
    size = path.stat().st_size
    if size > limits.upload_mb * MEGABYTE:
        raise ValueError(
            f"Expected a {what} of at most {limits.upload_mb} MB, received {path.name!r} of {size / MEGABYTE:.0f} MB. "
            "Cut or compress it."
        )
