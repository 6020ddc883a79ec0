"""Talking without sound: phrases of syllables, with the brows and the head in their rhythm.

It says nothing: for words, drive with a clip. Four to five syllables per second are those of calm speech.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..checks import check_in_range
from .channels import Values
from .randomness import Randomness, step

PHRASE_S, PAUSE_SHARE = 2.8, 0.22
SYLLABLE_S = 0.21
CLOSED_SYLLABLES = 0.16  # as in m, b and p
OPENNESS = (0.08, 0.3)


@dataclass(frozen=True)
class Talking:
    """A mouth that talks.

    Attributes:
        seed: another one says something else.
        strength: factor on all of it, 0 to 2.

    Raises:
        ValueError: if the strength is out of range.
    """

    seed: int = 0
    strength: float = 1.0

    def __post_init__(self) -> None:
        check_in_range("strength of talk", self.strength, 0.0, 2.0)

    def at(self, time: float, period_s: float | None) -> Values:
        """Values of channels at a time, seconds; with a period they repeat after it without a seam."""
        random = Randomness(self.seed, period_s)
        speaking = _speaking(random, time)
        opened = _opened(random, time) * speaking
        round_lips = max(0.0, random.noise("round", time, 0.33)) * speaking
        wide = max(0.0, random.noise("wide", time, 0.37)) * speaking
        stress = random.noise("stress", time, 0.5) * speaking
        values = {
            "jawOpen": opened,
            "mouthFunnel": 0.5 * round_lips,
            "mouthPucker": 0.45 * round_lips,
            "mouthStretchLeft": 0.35 * wide,
            "mouthStretchRight": 0.35 * wide,
            "mouthLowerDownLeft": 0.6 * opened,
            "mouthLowerDownRight": 0.6 * opened,
            "mouthUpperUpLeft": 0.4 * opened,
            "mouthUpperUpRight": 0.4 * opened,
            "brows": 0.35 * max(0.0, random.noise("brow", time, 0.9)) * speaking,
            "pitch": 3.0 * stress,
            "yaw": 2.4 * random.noise("turn", time, 0.9) * speaking,
            "smile": 0.2 * random.noise("mood", time, 1.6),
        }
        return {name: self.strength * value for name, value in values.items()}


def _speaking(random: Randomness, time: float) -> float:
    """1 within a phrase, 0 in the pause after it."""
    length, count = random.slots(PHRASE_S)
    slot = math.floor(time / length)
    pause = PAUSE_SHARE * (0.6 + 0.8 * random.in_slot("pause", slot, count))
    since = time - slot * length
    return step(since, 0.0, 0.16) * (1 - step(since, (1 - pause) * length, 0.2))


def _opened(random: Randomness, time: float) -> float:
    """How far the jaw is open: one peak per syllable, of different heights."""
    length, count = random.slots(SYLLABLE_S)
    slot = math.floor(time / length)
    t = time / length - slot
    between = sum(
        share * _peak(random, slot + near, count)
        for near, share in ((-1, 0.5 * (1 - step(t, 0.0, 0.5))), (0, 0.5 + 0.5 * math.sin(math.pi * t)))
    )
    valley = 0.45 + 0.55 * math.sin(math.pi * t) ** 2
    return between * valley


def _peak(random: Randomness, slot: int, count: int | None) -> float:
    if random.in_slot("closed", slot, count) < CLOSED_SYLLABLES:
        return 0.0
    return OPENNESS[0] + (OPENNESS[1] - OPENNESS[0]) * random.in_slot("open", slot, count)
