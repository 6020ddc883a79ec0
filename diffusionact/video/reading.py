"""Videos, animations and folders of images read frame by frame: exact frame rate, upright frames, flat memory.

A frame is (H, W, 3) uint8 RGB. Reading yields every stored frame once; it does not resample time, so a file with a
variable frame rate plays at its average rate: same length, but events inside may shift. Non-square pixels are not
stretched.
"""

from __future__ import annotations

import math
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ..images import image_to_frame, load_image
from .audio import readable_track

STILL_FRAME_RATE = Fraction(25)
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
ANIMATED_FORMATS = {"GIF", "PNG", "WEBP", "AVIF"}
UNTIMED_FRAME_MS = 100  # what browsers show for an animation frame of duration 0
DISTINCT_MATRICES = {1, 4, 7, 9}  # H.273: BT.709, FCC, SMPTE 240M, BT.2020; all others are BT.601 or untagged
TRUNCATION_TOLERANCE_S = Fraction(1, 2)  # headers of sound files overstate the length by a few frames


@dataclass(frozen=True)
class FrameSource(ABC):
    """Frames of a file or folder, read lazily; every `iter()` begins anew.

    Attributes:
        path: what is read.
        frame_rate: frames a second, exact.
        frame_count: number of frames, or None where the file does not say.
        frame_count_is_estimate: True where the number comes from a header and was not counted.
        size: (height, width) of the upright frames, pixels.
        has_audio: whether `path` can be given to `VideoWriter(audio_from=...)`.
    """

    path: Path
    frame_rate: Fraction
    frame_count: int | None
    frame_count_is_estimate: bool
    size: tuple[int, int]
    has_audio: bool

    def __iter__(self) -> Iterator[Tensor]:
        """Yield (H, W, 3) uint8 RGB frames.

        Raises:
            ValueError: at the frame where the file is damaged, ends too early, or changes its size.
        """
        for index, frame in enumerate(self._frames()):
            if tuple(frame.shape[:2]) != self.size:
                raise ValueError(
                    f"Expected all frames of {str(self.path)!r} to be {self.size} (height, width), received "
                    f"{tuple(frame.shape[:2])} at frame {index}; bring the frames to one size first."
                )
            yield frame

    @abstractmethod
    def _frames(self) -> Iterator[Tensor]:
        """Yield the frames without checking their size."""


def open_frames(path: str | os.PathLike[str]) -> FrameSource:
    """Open a video, an animated image (webp, gif, apng), a folder of images or one image.

    Images in a folder are sorted naturally (2 before 10); they and single images get 25 frames a second. Other
    files in the folder, and hidden ones, are passed over. The kind of a file is found from its content.

    Raises:
        FileNotFoundError: if nothing lies at `path`.
        ValueError: if it is unreadable, truncated at its beginning, or without frames.
    """
    path = Path(path)
    if path.is_dir():
        return _open_folder(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected a video, an image or a folder of images, received {str(path)!r} where nothing lies; check "
            f"the path."
        )
    try:
        with Image.open(path) as image:
            is_image = image.format != "MPEG"  # Pillow recognises MPEG-1 video but cannot read it
            is_animated = image.format in ANIMATED_FORMATS and getattr(image, "n_frames", 1) > 1
    except (UnidentifiedImageError, Image.DecompressionBombError):
        is_image = False
    except (OSError, SyntaxError, EOFError) as error:
        raise _broken(path, 0, str(error)) from error
    if not is_image:
        return _open_video(path)
    return _open_animation(path) if is_animated else _open_images(path, [path])


def _broken(path: Path, index: int, reason: str) -> ValueError:
    return ValueError(
        f"Expected a complete video or image, received {str(path)!r} of {path.stat().st_size} bytes which breaks at "
        f"frame {index} ({reason}); copy or export the file again, or cut it before that frame."
    )


@dataclass(frozen=True)
class _ImageList(FrameSource):
    images: tuple[Path, ...]

    def _frames(self) -> Iterator[Tensor]:
        return (load_image(image) for image in self.images)


def _open_folder(folder: Path) -> FrameSource:
    visible = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    images = [entry for entry in visible if entry.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise ValueError(
            f"Expected a folder with images ({', '.join(sorted(IMAGE_SUFFIXES))}), received {str(folder)!r} with "
            f"{len(visible)} other entries; choose the folder that holds the frames."
        )
    return _open_images(folder, sorted(images, key=_natural_key))


def _natural_key(path: Path) -> list[tuple[int, str]]:
    """Sort key in which digit runs compare as numbers."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in parts]


def _open_images(path: Path, images: list[Path]) -> FrameSource:
    height, width, _ = load_image(images[0]).shape
    return _ImageList(path, STILL_FRAME_RATE, len(images), False, (height, width), False, tuple(images))


@dataclass(frozen=True)
class _Animation(FrameSource):
    first: int

    def _frames(self) -> Iterator[Tensor]:
        for image in _animation_images(self.path, self.first):
            yield image_to_frame(image)


def _animation_images(path: Path, first: int) -> Iterator[Image.Image]:
    """Yield the loaded image once per frame from `first` on."""
    index = first
    try:
        with Image.open(path) as image:
            for index in range(first, image.n_frames):
                image.seek(index)
                image.load()
                yield image
    except (OSError, EOFError, SyntaxError) as error:
        raise _broken(path, index - first, str(error)) from error


def _open_animation(path: Path) -> FrameSource:
    """Read all durations once; the rate is frames / total duration, exact in milliseconds."""
    with Image.open(path) as image:
        first = int(getattr(image, "default_image", False))  # an APNG may begin with a still that is no frame
        width, height = image.size
    durations = [
        Fraction(image.info.get("duration") or UNTIMED_FRAME_MS).limit_denominator(1000)
        for image in _animation_images(path, first)
    ]
    rate = 1000 * len(durations) / sum(durations)
    return _Animation(path, rate, len(durations), False, (height, width), False, first)


@dataclass(frozen=True)
class _VideoFile(FrameSource):
    def _frames(self) -> Iterator[Tensor]:
        index, end = 0, Fraction(0)
        try:
            with _opened(self.path) as container:
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                for packet in container.demux(stream):
                    if packet.pts is not None:
                        end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
                    for frame in packet.decode():
                        yield _upright(frame)
                        index += 1
                stated_end = _stated_end(stream)
        except av.FFmpegError as error:
            raise _broken(self.path, index, str(error)) from error
        if stated_end is not None and stated_end - end > TRUNCATION_TOLERANCE_S:
            reason = f"the stream ends at {float(end):.2f} s of {float(stated_end):.2f} s"
            raise _broken(self.path, index, reason)


def _upright(frame: av.VideoFrame) -> Tensor:
    """Convert to RGB and apply the display rotation; FFmpeg states it counter-clockwise, as numpy does."""
    pixels = np.rot90(frame.to_ndarray(format="rgb24", **_colour_tags(frame)), round(frame.rotation / 90) % 4)
    return torch.from_numpy(np.ascontiguousarray(pixels))


def _colour_tags(frame: av.VideoFrame) -> dict[str, int]:
    """Conversion arguments that spell out a frame's own tags; PyAV before 17 takes any matrix for BT.601 otherwise."""
    if not frame.format.name.startswith("yuv4") or frame.color_range == ColorRange.JPEG:
        return {}
    matrix = frame.colorspace if frame.colorspace in DISTINCT_MATRICES else Colorspace.ITU601
    ranges = {"src_color_range": ColorRange.MPEG, "dst_color_range": ColorRange.JPEG}
    return {"src_colorspace": matrix, "dst_colorspace": matrix, **ranges}


def _stated_end(stream: av.VideoStream) -> Fraction | None:
    """End of the stream in seconds according to the file's header, or None; Matroska says it in a tag."""
    if stream.duration is not None:
        return (stream.duration + (stream.start_time or 0)) * stream.time_base
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag is None:
        return None
    hours, minutes, seconds = tag.groups()
    return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)


def _open_video(path: Path) -> FrameSource:
    try:
        with _opened(path) as container:
            if not container.streams.video:
                raise _broken(path, 0, "no video stream")
            duration, average_rate = _duration_and_average_rate(container)
            rate = _exact_rate(container.streams.video[0].guessed_rate, average_rate, duration)
            has_audio = readable_track(container) is not None
        with _opened(path) as container:
            first = next(container.decode(video=0), None)
    except av.FFmpegError as error:
        raise _broken(path, 0, str(error)) from error
    if first is None:
        raise _broken(path, 0, "no frames")
    height, width, _ = _upright(first).shape
    return _VideoFile(path, rate, round(duration * average_rate) or None, True, (height, width), has_audio)


def _opened(path: Path) -> av.container.InputContainer:
    # An absolute path cannot be mistaken for a protocol ("a:b.mp4"); broken metadata is no reason to refuse a video.
    return av.open(str(path.absolute()), metadata_errors="replace")


def _duration_and_average_rate(container: av.container.InputContainer) -> tuple[Fraction, Fraction]:
    """Length in seconds and average rate: from an MP4's header, else by walking through the undecoded packets."""
    stream = container.streams.video[0]
    if stream.frames and stream.duration and stream.average_rate:
        return stream.duration * stream.time_base, stream.average_rate
    count, begin, end = 0, math.inf, -math.inf
    for packet in container.demux(stream):
        if packet.pts is not None:
            count, begin = count + 1, min(begin, packet.pts)
            end = max(end, packet.pts + (packet.duration or 0))
    if end <= begin:
        return Fraction(0), stream.average_rate or STILL_FRAME_RATE
    duration = (end - begin) * stream.time_base
    return duration, count / duration


def _exact_rate(nominal: Fraction | None, average: Fraction, duration: Fraction) -> Fraction:
    """The nominal rate, unless playing at it would change the length by half a frame or more.

    Averages suffer from rounded time stamps (Matroska stores milliseconds), so the nominal 30000/1001 is more exact;
    in a file with a variable rate the nominal one is far off and the average keeps the length.
    """
    if not nominal:
        return average
    drift_frames = abs(average - nominal) * duration
    return nominal if drift_frames < Fraction(1, 2) else average
