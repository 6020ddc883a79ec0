"""Frames of a video file, decoded when they are asked for, at the times at which a player shows them.

Headers are not trusted: rate, number and length come from a walk through the packets, which decodes none of them.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np

from .audio import sound_problem
from .containers import decoded, frame_ticks, has_decoding_times_only, image_stream, opened, sound_track
from .display import Display
from .frame_source import Problems, StoredFrames, broken_file
from .stills import STILL_FRAME_RATE
from .timing import FrameClock, TimedFrame, pace_of

TRUNCATION_TOLERANCE_S = Fraction(1, 2)  # headers of sound files overstate the length by a few frames
EXACT_LENGTH_FORMATS = ("mov", "matroska")  # a header of these knows the last frame
MAX_NAMED_FRAMES = 5

Decoded = Iterator[av.VideoFrame | av.FFmpegError]


@dataclass(frozen=True, kw_only=True)
class VideoFile(StoredFrames):
    """Frames of a video file.

    Attributes:
        keep_damaged: what cannot be decoded is left out; else it is an error.
    """

    keep_damaged: bool

    def timed(self, after: Fraction) -> Iterator[TimedFrame]:
        """Decode from the last key frame before `after`, or from the beginning where none is found."""
        damage = _Damage(self)
        try:
            for second in (self.first_second + after, None) if after else (None,):
                with opened(self.path) as container:
                    stream = image_stream(container)
                    frames = _from(container, stream, second)
                    if frames is not None:
                        yield from self._shown(frames, stream, after, damage)
                        damage.check_end(stream, container.format.name)
                        break
        except av.FFmpegError as error:
            damage.ends(str(error))
        damage.report()

    def _shown(self, frames: Decoded, stream: av.VideoStream, after: Fraction, damage: _Damage) -> Iterator[TimedFrame]:
        clock, display = FrameClock(self.pace, self.first_second), None
        by_decoding = has_decoding_times_only(stream.container)
        for frame in frames:
            if isinstance(frame, av.FFmpegError):
                damage.at_packet(frame)
                continue
            display = display or Display(frame, stream)
            ticks = frame_ticks(frame, by_decoding)
            seconds = None if ticks is None else ticks * frame.time_base
            stated = Fraction(getattr(frame, "duration", 0) or 0) * frame.time_base
            time = clock.time(seconds, stated)
            damage.count(time.end)
            if time.start >= after:
                yield time, display.show(frame)


def _from(container: av.container.InputContainer, stream: av.VideoStream, second: Fraction | None) -> Decoded | None:
    """Decode from a key frame before a second of the file's own time; None if the file leads elsewhere."""
    frames = decoded(container, stream)
    if second is None:
        return frames
    if has_decoding_times_only(container):
        return None
    container.seek(int(second / stream.time_base), stream=stream)
    first = next((frame for frame in frames if isinstance(frame, av.VideoFrame)), None)
    if first is None or first.pts is None or first.pts * first.time_base > second:
        return None
    return chain([first], frames)


class _Damage:
    """What could not be read of a file."""

    def __init__(self, file: VideoFile) -> None:
        self._file = file
        self._frames = 0
        self._end = Fraction(0)
        self._sentences: list[str] = []
        self._damaged: list[str] = []

    def count(self, end: Fraction) -> None:
        """A frame was decoded that ends at `end` seconds."""
        self._frames += 1
        self._end = max(self._end, end)

    def at_packet(self, error: av.FFmpegError) -> None:
        """A packet cannot be decoded.

        Raises:
            ValueError: unless damaged files are kept.
        """
        if not self._file.keep_damaged:
            raise broken_file(self._file.path, self._frames, str(error)) from error
        self._damaged.append(f"{self._frames} ({float(self._end):.2f} s)")

    def ends(self, reason: str) -> None:
        """The file cannot be read on.

        Raises:
            ValueError: unless damaged files are kept.
        """
        if not self._file.keep_damaged:
            raise broken_file(self._file.path, self._frames, reason)
        self._sentences.append(f"it breaks at frame {self._frames} ({reason})")

    def check_end(self, stream: av.VideoStream, container_format: str) -> None:
        """Compare the length with what the header states."""
        stated = stated_end(stream)
        if stated is None:
            return
        missing = stated - self._file.first_second - max(self._end, self._file.end)
        if missing > TRUNCATION_TOLERANCE_S:
            end = float(stated - missing)
            self.ends(f"the stream ends at {end:.2f} s of {float(stated):.2f} s")
        elif missing * self._file.pace.rate > Fraction(3, 2) and container_format.startswith(EXACT_LENGTH_FORMATS):
            self._sentences.append(f"its last {float(missing):.2f} s are missing")

    def report(self) -> None:
        """Tell what is missing."""
        if self._damaged:
            named = ", ".join(self._damaged[:MAX_NAMED_FRAMES])
            more = len(self._damaged) - MAX_NAMED_FRAMES
            named += f" and {more} more" if more > 0 else ""
            self._sentences.append(f"what lies at frame {named} cannot be decoded and is left out")
        if self._sentences:
            self._file.problems.tell(f"{self._file.path.name!r} is damaged: {'; '.join(self._sentences)}.")


def stated_end(stream: av.VideoStream) -> Fraction | None:
    """End of the stream in seconds according to the file's header, or None; Matroska says it in a tag."""
    if stream.duration is not None:
        return (stream.duration + (stream.start_time or 0)) * stream.time_base
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag is None:
        return None
    hours, minutes, seconds = tag.groups()
    return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)


def open_video(path: Path, keep_damaged: bool) -> VideoFile:
    """Walk through a video file and decode its first frame.

    Raises:
        ValueError: if there are no images in it, or none can be decoded.
    """
    try:
        with opened(path) as container:
            stream = image_stream(container)
            if stream is None:
                raise _without_images(path)
            ticks, end = _walk(container, stream)
            rates = (stream.guessed_rate, stream.average_rate)
            pace = pace_of(ticks, stream.time_base, rates, STILL_FRAME_RATE)
            time_base, has_track = stream.time_base, sound_track(container) is not None
            by_decoding = has_decoding_times_only(container)
        with opened(path) as container:
            zero, size = _first_frame(container)
    except av.FFmpegError as error:
        raise broken_file(path, 0, str(error)) from error
    if size is None:
        raise broken_file(path, 0, "no frames")
    zero_tick = zero / time_base if not ticks or not by_decoding else ticks[0]
    shown = (np.asarray(ticks, dtype=np.float64) - float(zero_tick)) * float(time_base)
    starts = array("d", shown[shown > -0.5 / float(pace.rate)].clip(0))
    end = max((end - zero_tick) * time_base, Fraction(0))
    problems = Problems()
    has_audio = has_track and _can_carry(path, zero, problems)
    return VideoFile(path, pace, starts, end, size, False, has_audio, zero, problems, keep_damaged=keep_damaged)


def _walk(container: av.container.InputContainer, stream: av.VideoStream) -> tuple[list[int], int]:
    """Ascending time stamps of the packets that will be shown, and the end of the last, in ticks of the stream."""
    by_decoding = has_decoding_times_only(container)
    ticks, end = [], 0
    try:
        for packet in container.demux(stream):
            first, second = (packet.dts, packet.pts) if by_decoding else (packet.pts, packet.dts)
            time = second if first is None else first
            if time is not None and packet.size and not packet.is_discard:  # AVI notes dropped frames as empty packets
                ticks.append(time)
                end = max(end, time + (packet.duration or 0))
    except av.FFmpegError:
        pass  # reading comes to the same place, and says so
    return sorted(ticks), end


def _first_frame(container: av.container.InputContainer) -> tuple[Fraction, tuple[int, int] | None]:
    """Time in the file's own seconds, and size, of the first frame that can be decoded; None if none can be."""
    stream = image_stream(container)
    for frame in decoded(container, stream):
        if isinstance(frame, av.VideoFrame):
            ticks = frame_ticks(frame, has_decoding_times_only(container))
            return Fraction(ticks or 0) * frame.time_base, Display(frame, stream).size
    return Fraction(0), None


def _can_carry(path: Path, begin: Fraction, problems: Problems) -> bool:
    problem = sound_problem(path, begin=begin)
    if problem is not None:
        problems.tell(f"The sound of {path.name!r} is left out: {problem}.")
    return problem is None


def _without_images(path: Path) -> ValueError:
    return ValueError(
        f"Expected a video, received {str(path)!r} with no video in it (sound or a cover image alone); choose another "
        f"file."
    )
