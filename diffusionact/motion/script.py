"""A motion script: keyframes, idle life and talking together, and its values at any time of any length."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from ..checks import check_in_range
from .channels import GAZE, Values, add_up
from .idle import IdleLife
from .keyframes import Keyframe, Tracks
from .talking import Talking

MIN_SECONDS, MAX_SECONDS = 0.1, 86_400.0
# Lids follow the eyes down and up: part of the sliders' way per degree.
LID_PER_DEG = 0.012


@dataclass(frozen=True)
class MotionScript:
    """Motion without a driver.

    Attributes:
        seconds: how long it takes once.
        keyframes: what happens when, in any order.
        loop: it begins again after its end; else the last keyframe stays.
        idle: blinks, breath, small movements; None leaves the face as still as the keyframes do.
        talk: a mouth that talks; None does not.
        steady_gaze: in [0, 1], the share of the head's turn that the eyes make up for, as they do by themselves when
            one goes on looking at the same thing.

    Raises:
        ValueError: if it is too short or too long, a keyframe lies beyond its end, or the share is out of range.
    """

    seconds: float
    keyframes: tuple[Keyframe, ...] = ()
    loop: bool = True
    idle: IdleLife | None = None
    talk: Talking | None = None
    steady_gaze: float = 0.5

    def __post_init__(self) -> None:
        check_in_range("seconds of a motion", self.seconds, MIN_SECONDS, MAX_SECONDS)
        check_in_range("steady_gaze", self.steady_gaze, 0.0, 1.0)
        last = max((keyframe.time for keyframe in self.keyframes), default=0.0)
        if last > self.seconds:
            raise ValueError(
                f"Expected keyframes within the {self.seconds:g} s of the motion, received one at {last:g} s. "
                "Raise seconds, or move it."
            )

    def seeded(self, seed: int | None) -> MotionScript:
        """The script with another seed for what is random in it; None leaves it."""
        if seed is None:
            return self
        idle, talk = (None if part is None else replace(part, seed=seed) for part in (self.idle, self.talk))
        return replace(self, idle=idle, talk=talk)

    def lively(self, idle: IdleLife | None) -> MotionScript:
        """The script with idle life in place of its own."""
        return replace(self, idle=idle)

    def at(self, time: float, period_s: float | None = None) -> Values:
        """Values of channels.

        Args:
            time: seconds, 0 or later.
            period_s: seconds after which all of it repeats without a seam; the keyframes are stretched a little, so
                that they fit in a whole number of times. None does not repeat what is random.
        """
        parts = [self._tracks(period_s is not None).at(self._keyframe_time(time, period_s))]
        parts += [part.at(time, period_s) for part in (self.idle, self.talk) if part is not None]
        return _coupled(add_up(parts), self.steady_gaze)

    def _keyframe_time(self, time: float, period_s: float | None) -> float:
        if period_s is not None:
            times = max(1, round(period_s / self.seconds))
            return math.fmod(time * times * self.seconds / period_s, self.seconds)
        return math.fmod(time, self.seconds) if self.loop else min(time, self.seconds)

    def _tracks(self, is_seamless: bool) -> Tracks:
        return self._closed_tracks if is_seamless or self.loop else self._open_tracks

    @cached_property
    def _closed_tracks(self) -> Tracks:
        return Tracks(self.keyframes, self.seconds, is_loop=True)

    @cached_property
    def _open_tracks(self) -> Tracks:
        return Tracks(self.keyframes, self.seconds, is_loop=False)


@dataclass(frozen=True)
class Timeline:
    """A script as frames of a clip.

    Attributes:
        script: what happens.
        frame_rate: frames per second.
        frame_count: of the clip.
        is_seamless: the frame after the last one is the first.
    """

    script: MotionScript
    frame_rate: Fraction
    frame_count: int
    is_seamless: bool = False

    @classmethod
    def of(
        cls,
        script: MotionScript,
        frame_rate: Fraction | float = 25,
        seconds: float | None = None,
        is_seamless: bool = False,
    ) -> Timeline:
        """As many frames as fill so many seconds; None takes the script's own length.

        Raises:
            ValueError: if rate or length are out of range.
        """
        rate = Fraction(frame_rate).limit_denominator(1001)
        check_in_range("frame_rate", float(rate), 0.1, 1000.0)
        length = script.seconds if seconds is None else seconds
        check_in_range("seconds", length, MIN_SECONDS, MAX_SECONDS)
        return cls(script, rate, max(1, round(length * rate)), is_seamless)

    @property
    def seconds(self) -> float:
        """How long the clip is."""
        return float(self.frame_count / self.frame_rate)

    def __iter__(self) -> Iterator[Values]:
        """Values of channels, frame after frame."""
        period = self.seconds if self.is_seamless else None
        return (self.script.at(float(index / self.frame_rate), period) for index in range(self.frame_count))


def _coupled(values: Values, steady_gaze: float) -> Values:
    """Eyes stay where they looked while the head turns, and lids follow the eyes."""
    yaw, pitch = values.get("yaw", 0.0), values.get("pitch", 0.0)
    looked = add_up([values, dict(zip(GAZE, (-steady_gaze * yaw, steady_gaze * pitch), strict=True))])
    return add_up([looked, {"eyes": LID_PER_DEG * looked["gaze_vertical"]}])
