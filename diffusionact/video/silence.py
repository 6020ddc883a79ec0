"""Silent passages of a file's sound: how still a mouth should be at a moment, read as far as it is asked for."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path

import numpy as np

from ..checks import check_in_range
from .frame_source import FrameSource
from .sound_reading import SoundReader

RATE = 16_000  # samples per second that levels are measured at
HOP_S = 0.01
# A sound must be so much louder than the level at which silence begins to end it: hysteresis, dB.
HYSTERESIS_DB = 6.0
MIN_SILENCE_S = 0.3  # pauses between words are shorter
FADE_S = 0.12  # lips close and open in this time, outside of the sound: they are open when it begins
FLOOR_DB = -120.0


@dataclass(frozen=True)
class SilenceLevel:
    """What counts as silent.

    Attributes:
        level_db: root mean square of 10 ms below which a passage is silent, dB of full scale, -90 to 0.

    Raises:
        ValueError: if it is out of range.
    """

    level_db: float = -40.0

    def __post_init__(self) -> None:
        check_in_range("silence_level", self.level_db, -90.0, 0.0)


class Stillness:
    """How still the mouth is, moment by moment: 1 in silent passages, 0 in sound, faded between.

    Memory does not grow with the sound. Silence after its end, and whatever cannot be decoded, is silent.

    Args:
        path: file with sound.
        begin: moment that is second 0, seconds in the file's own time; None is its first image.
        level: what counts as silent.

    Raises:
        UnreadableSoundError: if the file has no sound that can be decoded.
    """

    def __init__(self, path: Path, begin: Fraction | None = None, level: SilenceLevel = SilenceLevel()) -> None:  # noqa: B008 - frozen
        self._reader = SoundReader(path, begin)
        self._values = stillness_of(levels_of(self._reader.blocks(RATE, "mono")), level)
        self._next, self._value = 0, 1.0

    def at(self, seconds: float) -> float:
        """Stillness in [0, 1] at a moment, which must not lie before the one that was asked for last."""
        while self._next <= round(seconds / HOP_S):
            self._value = next(self._values, 1.0)
            self._next += 1
        return self._value

    def close(self) -> None:
        """Release the file."""
        self._reader.close()


def stillness_at(
    moments: Iterable[float],
    path: Path,
    begin: Fraction | None = None,
    level: SilenceLevel = SilenceLevel(),  # noqa: B008 - frozen
) -> Iterator[float]:
    """Stillness at moment after moment, seconds that do not go back; the file is open meanwhile. See `Stillness`."""
    stillness = Stillness(path, begin, level)
    try:
        for seconds in moments:
            yield stillness.at(float(seconds))
    finally:
        stillness.close()


def frame_times(frames: FrameSource) -> Iterator[float]:
    """Seconds at which frame after frame of a clip shows; a frame must have been read before its time is asked for."""
    return (float(frames.time(index).start) for index in count())


def levels_of(blocks: Iterator[np.ndarray]) -> Iterator[float]:
    """Level of every 10 ms, dB of full scale, of blocks (1, samples) at RATE; a rest that is shorter is left out."""
    size, rest = round(RATE * HOP_S), np.zeros(0, np.float32)
    for block in blocks:
        samples = np.concatenate([rest, block[0]])
        hops = len(samples) // size
        for power in np.square(samples[: hops * size].astype(np.float64)).reshape(hops, size).mean(1).tolist():
            yield 10 * math.log10(power) if power > 10 ** (FLOOR_DB / 10) else FLOOR_DB
        rest = samples[hops * size :]


def stillness_of(levels: Iterator[float], level: SilenceLevel) -> Iterator[float]:
    """Stillness of every 10 ms, of their levels; looks ahead by the shortest silence and a fade.

    A passage is silent from where it falls below the level to where it rises HYSTERESIS_DB above it, if it lasts for
    MIN_SILENCE_S. Smoothstep fades lie within it, so that sound finds the mouth as it was.
    """
    fade = round(FADE_S / HOP_S)
    silent = _silent(levels, level)
    ahead: deque[bool] = deque()
    since, ended = fade, False  # before the sound it is silent
    while True:
        while not ended and len(ahead) <= fade:
            value = next(silent, None)
            ended = value is None
            if value is not None:
                ahead.append(value)
        if not ahead:
            return
        is_silent = ahead.popleft()
        since = min(since + 1, fade) if is_silent else 0
        until = next((index + 1 for index, value in enumerate(ahead) if not value), fade) if is_silent else 0
        share = min(since, until, fade) / fade
        yield share * share * (3 - 2 * share)


def _silent(levels: Iterator[float], level: SilenceLevel) -> Iterator[bool]:
    """Whether every 10 ms belongs to a silent passage that is long enough; one at begin or end always is."""
    shortest, quiet, is_first = round(MIN_SILENCE_S / HOP_S), 0, True
    for value in levels:
        is_quiet = value < level.level_db + (HYSTERESIS_DB if quiet else 0.0)
        if is_quiet:
            quiet += 1
            if quiet == shortest and not is_first:
                yield from [True] * shortest
            elif quiet > shortest or is_first:
                yield True
            continue
        if quiet < shortest and not is_first:
            yield from [False] * quiet
        quiet, is_first = 0, False
        yield False
    if quiet < shortest and not is_first:
        yield from [True] * quiet
