"""What is read: the frames that lie in a file or folder, and the part of them that was asked for, frame by frame."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from .timing import FrameTime, Pace, TimedFrame, at_constant_rate, trimmed

MAX_DENOMINATOR = 100_000  # of an average rate
TIME_TOLERANCE = Fraction(1, 1000)  # time stamps are often rounded to milliseconds

logger = logging.getLogger(__name__)


class Problems(list[str]):
    """Sentences on what of a file cannot be had; each is logged once as a warning."""

    def tell(self, sentence: str) -> None:
        """Add a sentence."""
        if sentence not in self:
            self.append(sentence)
            logger.warning("%s", sentence)


@dataclass(frozen=True)
class StoredFrames(ABC):
    """All frames that lie in a file or folder.

    Attributes:
        path: what is read.
        pace: how the frames follow each other.
        starts: seconds of the frames, from the first, as far as known before they are read.
        end: seconds at which the last frame ends.
        size: (height, width) of the upright frames, pixels.
        is_counted: True where `starts` was counted and not taken from headers.
        has_audio: whether there is sound that can be carried into a video.
        first_second: time of the first frame, seconds in the file's own time.
        problems: what of the file cannot be had, as far as it was read.
    """

    path: Path
    pace: Pace
    starts: Sequence[float]
    end: Fraction
    size: tuple[int, int]
    is_counted: bool = True
    has_audio: bool = False
    first_second: Fraction = Fraction(0)
    problems: Problems = field(default_factory=Problems, repr=False, compare=False)

    @abstractmethod
    def timed(self, after: Fraction) -> Iterator[TimedFrame]:
        """Yield all frames that begin `after` so many seconds or later; frames before may come, too."""


@dataclass(frozen=True)
class FrameSource:
    """Frames of a file or folder, read lazily; every `iter()` begins anew.

    Attributes:
        path: what is read.
        frame_rate: frames per second, exact; of an uneven clip that of most of its frames.
        is_even: every frame lies within half a frame of its place at that rate; else see `time`.
        frame_count: number of frames, or None where the file does not say.
        frame_count_is_estimate: True where the number comes from a header and was not counted.
        duration: seconds from the first frame to the end of the last, as far as known.
        size: (height, width) of the upright frames, pixels.
        has_audio: whether `path` can be given to `VideoWriter(audio_from=...)`.
        begin: time of the first frame, seconds in the file's own time; its sound begins there.
        problems: sentences on what of the file cannot be had, as far as it was read.
    """

    path: Path
    frame_rate: Fraction
    is_even: bool
    frame_count: int | None
    frame_count_is_estimate: bool
    duration: Fraction
    size: tuple[int, int]
    has_audio: bool
    begin: Fraction
    problems: list[str] = field(compare=False)
    _frames: Callable[[], Iterator[TimedFrame]] = field(repr=False, compare=False)
    # Start and duration of every frame that was read, in ticks of the pace: 16 bytes per frame.
    _ticks: array = field(default_factory=lambda: array("q"), repr=False, compare=False)

    def __iter__(self) -> Iterator[Tensor]:
        """Yield (H, W, 3) uint8 RGB frames.

        Raises:
            ValueError: at the frame where the file is damaged, ends too early, or changes its size.
        """
        for index, (time, frame) in enumerate(self._frames()):
            if tuple(frame.shape[:2]) != self.size:
                raise ValueError(
                    f"Expected all frames of {str(self.path)!r} to be {self.size} (height, width), received "
                    f"{tuple(frame.shape[:2])} at frame {index}; bring the frames to one size first."
                )
            if 2 * index == len(self._ticks):
                self._ticks.extend(round(seconds / self._time_base) for seconds in (time.start, time.duration))
            yield frame

    @property
    def average_rate(self) -> Fraction:
        """Frames per second on average; the rate of an even clip."""
        if self.is_even or not self.frame_count or not self.duration:
            return self.frame_rate
        return (self.frame_count / self.duration).limit_denominator(MAX_DENOMINATOR)

    def time(self, index: int) -> FrameTime:
        """When frame `index` shows, from frame 0; it must have been read, as files do not say which can be.

        Raises:
            IndexError: if it was not.
        """
        if not 0 <= index < len(self._ticks) // 2:
            raise IndexError(f"Expected a frame that was read, received {index} of {len(self._ticks) // 2}.")
        start, duration = self._ticks[2 * index : 2 * index + 2]
        return FrameTime(start * self._time_base, duration * self._time_base)

    @property
    def _time_base(self) -> Fraction:
        return Pace(self.frame_rate, self.is_even).time_base


@dataclass(frozen=True)
class _Part:
    """Frames of a file from `first` to `stop`, at a rate; a value, so that jobs with it can go to another process."""

    stored: StoredFrames
    first: Fraction
    stop: Fraction | None
    rate: Fraction | None

    def __call__(self) -> Iterator[TimedFrame]:
        part = self.stored.timed(self.first)
        if self.first or self.stop is not None:
            part = trimmed(part, self.first, self.stop)
        return part if self.rate is None else at_constant_rate(part, self.rate)


def select(stored: StoredFrames, start: Fraction, end: Fraction | None, rate: Fraction | None) -> FrameSource:
    """The part of stored frames that was asked for; see `open_frames`.

    Raises:
        ValueError: if nothing lies there.
    """
    if start < 0 or (end is not None and end <= start):
        raise ValueError(f"Expected 0 <= start < end in seconds, received {_words(start, end)}; correct them.")

    first, stop = max(start - TIME_TOLERANCE, Fraction(0)), None if end is None else end - TIME_TOLERANCE
    begin = Fraction(0)
    if first:
        begin = next((time.start for time, _ in stored.timed(first) if time.start >= first), None)
        if begin is None or (stop is not None and begin >= stop):
            raise ValueError(
                f"Expected a part of {str(stored.path)!r}, which lasts {float(stored.end):.2f} s, received "
                f"{_words(start, end)} where no frame begins; choose an earlier start or a later end."
            )
    last = stored.end if stop is None else min(stop, stored.end)
    count = sum(float(first) <= second < float(last) for second in stored.starts)
    if rate is not None:
        count = max(1, round((last - begin) * rate))
    return FrameSource(
        path=stored.path,
        frame_rate=rate or stored.pace.rate,
        is_even=rate is not None or stored.pace.is_even,
        frame_count=count or None,
        frame_count_is_estimate=not stored.is_counted,
        duration=last - begin,
        size=stored.size,
        has_audio=stored.has_audio,
        begin=stored.first_second + begin,
        problems=stored.problems,
        _frames=_Part(stored, first, stop, rate),
    )


def broken_file(path: Path, index: int, reason: str) -> ValueError:
    """The error for a file that cannot be read from a frame on."""
    return ValueError(
        f"Expected a complete video or image, received {str(path)!r} of {path.stat().st_size} bytes which breaks at "
        f"frame {index} ({reason}); copy or export the file again, or cut it before that frame."
    )


def _words(start: Fraction, end: Fraction | None) -> str:
    return f"{float(start):.2f} s to {'the end' if end is None else f'{float(end):.2f} s'}"
