"""Driving clips, an IMAGE batch or a VIDEO, as uint8 frames that are read one by one; and videos written alike."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import folder_paths
from comfy_api.latest import Input
from torch import Tensor

from ...diffusionact import images
from ...diffusionact.video import FrameSource, VideoWriter, open_frames
from .audio import read_audio
from .values import Timing

MAX_DENOMINATOR = 1001


@dataclass(frozen=True)
class DrivingClip:
    """A driving clip.

    Attributes:
        frames: uint8 (H, W, 3); every `iter()` begins anew.
        frame_count: as far as known.
        frame_rate: frames per second.
        file: holds the sound, or None.
        in_memory: the VIDEO, where its sound is in memory.
    """

    frames: Iterable[Tensor]
    frame_count: int
    frame_rate: Fraction
    file: Path | None = None
    in_memory: Input.Video | None = None

    @property
    def source(self) -> FrameSource | None:
        """The frames where they are read from a file, which knows when each of them shows."""
        return self.frames if isinstance(self.frames, FrameSource) else None

    def timing(self) -> Timing:
        """Rate and sound of the clip; reads the sound."""
        if self.in_memory is not None:
            return Timing(self.frame_rate, self.in_memory.get_components().audio)
        return Timing(self.frame_rate, None if self.file is None else read_audio(self.file))

    def sound_file(self) -> Path | None:
        """A file with the sound of the clip; sound in memory is written to a temporary one."""
        return self.file if self.in_memory is None else video_file(self.in_memory)


@dataclass(frozen=True)
class _ImageFrames:
    batch: Tensor

    def __iter__(self) -> Iterator[Tensor]:
        return (images.unit_to_uint8(image[None, ..., :3])[0] for image in self.batch)


def open_driving(
    driving: Tensor | Input.Video,
    frame_rate: float = 0.0,
    start_s: float = 0.0,
    end_s: float = 0.0,
    is_constant: bool = True,
    constant_rate: Fraction | None = None,
) -> DrivingClip:
    """Open an IMAGE batch, which plays at `frame_rate`, or a VIDEO, which knows its own rate.

    A VIDEO that is a file is read from there; nothing but one frame is in memory.

    Args:
        driving: IMAGE batch or VIDEO.
        frame_rate: of a batch, per second.
        start_s, end_s: part of a VIDEO, seconds; an end of 0 is its own.
        is_constant: frames of a VIDEO with uneven times are repeated and left out, as all of ComfyUI's are even; else
            every stored frame comes once, at its average rate.
        constant_rate: frames per second that a VIDEO from a file should have, in place of its own.
    """
    if isinstance(driving, Tensor):
        rate = Fraction(frame_rate).limit_denominator(MAX_DENOMINATOR)
        return DrivingClip(_ImageFrames(driving), len(driving), rate)
    is_trimmed = bool(start_s or end_s)
    if type(driving).get_stream_source is Input.Video.get_stream_source and not is_trimmed:
        parts = driving.get_components()
        in_memory = driving if parts.audio else None
        rate = Fraction(parts.frame_rate)
        return DrivingClip(_ImageFrames(parts.images), len(parts.images), rate, in_memory=in_memory)
    file = video_file(driving)
    frames = open_frames(file, start_s, end_s or None, constant_rate, is_constant=is_constant, keep_damaged=True)
    sound = file if frames.has_audio else None
    return DrivingClip(frames, frames.frame_count or driving.get_frame_count(), frames.average_rate, sound)


def video_file(video: Input.Video) -> Path:
    """The file of a VIDEO; one that is trimmed, or in memory, is written to ComfyUI's temporary folder first."""
    if type(video).get_stream_source is not Input.Video.get_stream_source:
        source = video.get_stream_source()
        is_trimmed = hasattr(video, "get_active_trim_window") and any(video.get_active_trim_window())
        if isinstance(source, (str, Path)) and not is_trimmed:
            return Path(source)
    path = temporary_video()
    video.save_to(str(path))
    return path


def temporary_video() -> Path:
    """A new name in ComfyUI's temporary folder, which is emptied when ComfyUI starts."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"diffusionact_{uuid.uuid4().hex}.mp4"


def write_video(path: Path, frames: Iterator[Tensor], clip: DrivingClip) -> None:
    """Write frames with the rate and sound of a clip.

    Args:
        path: appears when it is complete; nothing stays behind after an error or an interruption.
        frames: uint8 (H, W, 3).
        clip: the frames were made from.

    Raises:
        ValueError: if there are no frames.
    """
    first = next(frames, None)
    if first is None:
        raise ValueError("Expected a driving video with frames, received none. Check the video before this node.")
    size, sound = tuple(first.shape[:2]), clip.sound_file()
    with VideoWriter(path, clip.frame_rate, size, audio_from=sound, clip=clip.source) as writer:
        for frame in chain([first], frames):
            writer.write(frame)
