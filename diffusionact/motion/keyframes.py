"""Keyframes: values of channels at times, and what lies between them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..checks import check_choice
from .channels import Values, check_channels

# How a channel arrives at a keyframe: share of the way, by share of the time since the keyframe before.
EASINGS: dict[str, Callable[[float], float]] = {
    # The minimum-jerk path, as heads and hands move by themselves: Flash and Hogan 1985, Eq. 5.
    "smooth": lambda t: t**3 * (10 - 15 * t + 6 * t * t),
    "linear": lambda t: t,
    "in": lambda t: t * t,
    "out": lambda t: t * (2 - t),
    "hold": lambda t: 0.0 if t < 1 else 1.0,
}
DEFAULT_EASING = "smooth"


@dataclass(frozen=True)
class Keyframe:
    """Values that some channels have at a time; the others pass through.

    Attributes:
        time: seconds from the beginning, 0 or later.
        values: by channel.
        ease: how they are arrived at, a name of `EASINGS`.

    Raises:
        ValueError: if the time is none, a channel unknown or a value out of range.
    """

    time: float
    values: Mapping[str, float]
    ease: str = DEFAULT_EASING

    def __post_init__(self) -> None:
        if isinstance(self.time, bool) or not isinstance(self.time, (int, float)) or not 0 <= self.time < math.inf:
            raise ValueError(f"Expected the time of a keyframe in seconds, 0 or later, received {self.time!r}.")
        check_choice("ease", self.ease, EASINGS)
        check_channels(self.values, f"the keyframe at {self.time:g} s")


class Tracks:
    """Keyframes by channel, to be asked for any time.

    Args:
        keyframes: in any order.
        seconds: length of the script.
        is_loop: after its last keyframe a channel goes back to its first one, at `seconds` later than that.
    """

    def __init__(self, keyframes: Sequence[Keyframe], seconds: float, is_loop: bool):
        tracks: dict[str, list[tuple[float, float, str]]] = {}
        for keyframe in sorted(keyframes, key=lambda keyframe: keyframe.time):
            for name, value in keyframe.values.items():
                tracks.setdefault(name, []).append((keyframe.time, value, keyframe.ease))
        if is_loop:
            for track in tracks.values():
                first, last = track[0], track[-1]
                track.append((first[0] + seconds, first[1], first[2]))
                track.insert(0, (last[0] - seconds, *last[1:]))
        self._tracks = tracks

    def at(self, time: float) -> Values:
        """Values at a time; before its first and after its last keyframe a channel stands still."""
        return {name: _between(track, time) for name, track in self._tracks.items()}


def _between(track: list[tuple[float, float, str]], time: float) -> float:
    after = bisect_right(track, time, key=lambda point: point[0])
    if after == 0 or after == len(track):
        return track[min(after, len(track) - 1)][1]
    (start, value, _), (end, target, ease) = track[after - 1], track[after]
    return value + (target - value) * EASINGS[ease]((time - start) / (end - start))
