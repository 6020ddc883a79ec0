"""When frames show: time stamps of a file, whether they are even, and the same frames at a constant rate.

Time runs in seconds from the first frame, as exact fractions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from torch import Tensor

STANDARD_RATES = (
    *(Fraction(rate * 1000, 1001) for rate in (24, 30, 60)),
    *(Fraction(rate) for rate in (24, 25, 30, 50, 60)),
)
STANDARD_TOLERANCE_S = Fraction(1, 1000)  # time stamps are often rounded to milliseconds
MAX_RATE = Fraction(240)
MAX_GAP_S = 600  # a frame that is said to stand for longer has a broken time stamp
VARIABLE_TIME_BASE = Fraction(1, 90_000)  # holds the usual rates, and whole milliseconds, exactly


@dataclass(frozen=True)
class FrameTime:
    """When a frame shows.

    Attributes:
        start: seconds from the first frame.
        duration: seconds.
    """

    start: Fraction
    duration: Fraction

    @property
    def end(self) -> Fraction:
        """Seconds from the first frame."""
        return self.start + self.duration


TimedFrame = tuple[FrameTime, Tensor]


@dataclass(frozen=True)
class Pace:
    """How the frames of a clip follow each other.

    Attributes:
        rate: frames per second; of an uneven clip that of most of its frames.
        is_even: all frames lie within half a frame of that rate.
    """

    rate: Fraction
    is_even: bool

    @property
    def time_base(self) -> Fraction:
        """Seconds; what written time stamps are multiples of."""
        return 1 / self.rate if self.is_even else VARIABLE_TIME_BASE


def pace_of(ticks: Sequence[int], time_base: Fraction, stated: Iterable[Fraction | None], default: Fraction) -> Pace:
    """Find the pace of time stamps.

    Averages suffer from rounded time stamps (Matroska stores milliseconds), so a stated 30000/1001 is more exact; but
    headers state what they like, so a rate counts only if all time stamps agree with it.

    Args:
        ticks: ascending time stamps.
        time_base: seconds of one tick.
        stated: rates that the file states, best first.
        default: for a single frame about which nothing is stated.
    """
    stated = [rate for rate in stated if rate and 0 < rate <= MAX_RATE]
    times = np.unique(np.asarray(ticks, dtype=np.int64))
    if len(times) < 2:
        return Pace(next(iter(stated), default), True)
    average = (len(times) - 1) / (int(times[-1] - times[0]) * time_base)
    for rate in (*stated, average):
        if rate <= MAX_RATE and _agrees(times, time_base, rate):
            return Pace(rate, True)
    usual = 1 / (Fraction(int(np.median(np.diff(times)))) * time_base)
    return Pace(_standard(min(usual, MAX_RATE)), False)


def _agrees(times: np.ndarray, time_base: Fraction, rate: Fraction) -> bool:
    """Whether every time stamp lies within half a frame of its place at that rate."""
    slots = (times - times[0]) * float(time_base * rate)
    return bool(np.abs(slots - np.arange(len(times))).max() < 0.5)


def _standard(rate: Fraction) -> Fraction:
    """The standard rate that is meant, if one is near."""
    nearest = min(STANDARD_RATES, key=lambda standard: abs(standard - rate))
    return nearest if abs(1 / nearest - 1 / rate) < STANDARD_TOLERANCE_S else rate


class FrameClock:
    """Turns the time stamps of decoded frames into frame times: never backwards, even where a file is.

    Args:
        pace: of the clip.
        zero: time of the clip's first frame, seconds in the file's own time.
    """

    def __init__(self, pace: Pace, zero: Fraction) -> None:
        self._pace = pace
        self._zero = zero
        self._last: Fraction | None = None

    def time(self, seconds: Fraction | None, duration: Fraction) -> FrameTime:
        """Time of the next frame.

        Args:
            seconds: in the file's own time; None goes on at the pace.
            duration: seconds as the file states it; 0 for none.
        """
        step = 1 / self._pace.rate
        expected = Fraction(0) if self._last is None else self._last + step
        start = expected if seconds is None else seconds - self._zero
        if self._last is not None and not self._last < start < self._last + MAX_GAP_S:
            start, self._zero = expected, self._zero + start - expected  # time jumps: go on from here
        if self._pace.is_even:
            start, duration = self._slot(start) * step, step
        self._last = start
        return FrameTime(start, duration if 0 < duration < MAX_GAP_S else step)

    def _slot(self, start: Fraction) -> int:
        """Position of a frame in an even clip, behind the last one."""
        slot = max(0, round(start * self._pace.rate))
        return slot if self._last is None else max(slot, round(self._last * self._pace.rate) + 1)


def trimmed(frames: Iterable[TimedFrame], start: Fraction, end: Fraction | None) -> Iterator[TimedFrame]:
    """Frames that begin at `start` seconds or later, and before `end`; time runs from the first of them."""
    begin = None
    for time, frame in frames:
        if end is not None and time.start >= end:
            return
        if time.start >= start:
            begin = time.start if begin is None else begin
            yield replace(time, start=time.start - begin), frame


def at_constant_rate(frames: Iterable[TimedFrame], rate: Fraction) -> Iterator[TimedFrame]:
    """Repeat and leave out frames so that they follow each other at `rate`, within half a frame of their times."""
    count, held = 0, None
    for time, frame in frames:
        begin = round(time.start * rate)
        while held is not None and count < begin:
            yield FrameTime(count / rate, 1 / rate), held[1]
            count += 1
        held = time, frame
    end = 0 if held is None else max(round(held[0].end * rate), count + 1)
    while count < end:
        yield FrameTime(count / rate, 1 / rate), held[1]
        count += 1
