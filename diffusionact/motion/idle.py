"""Idle life: what a face does that does nothing. Blinks, breath, small movements of the head, glances.

Rates and durations are those of people at rest: 15 to 20 blinks per minute of 150 to 250 ms (Bentivoglio et al. 1997,
VanderWerf et al. 2003: the lid falls faster than it rises), 12 to 18 breaths per minute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..checks import check_in_range
from .channels import Values, add_up
from .randomness import Randomness, step

BLINK_EVERY_S = 3.6
# The lid falls, rests shut for as long as a frame shows, and rises within these bounds.
FALL_S, SHUT_S, RISE_S = 0.06, 0.045, (0.075, 0.135)
DOUBLE_BLINKS = 0.12
BREATH_S = 4.2
GLANCE_EVERY_S = 1.6
SACCADE_S, HEAD_FOLLOWS_S = 0.05, 0.7
HEAD_SHARE = 0.3
# How far glances go, degrees; those below the share of near ones stay within a little.
GLANCE_DEG, NEAR_GLANCE_DEG, NEAR_GLANCES = (9.0, 4.0), (1.2, 0.8), 0.62


@dataclass(frozen=True)
class IdleLife:
    """How lively a face is at rest.

    Attributes:
        seed: another one blinks and looks elsewhere.
        strength: factor on head, breath and glances, 0 to 2.
        blinks: factor on the number of blinks, 0 (none) to 3.

    Raises:
        ValueError: if a value is out of range.
    """

    seed: int = 0
    strength: float = 1.0
    blinks: float = 1.0

    def __post_init__(self) -> None:
        check_in_range("strength of idle", self.strength, 0.0, 2.0)
        check_in_range("blinks of idle", self.blinks, 0.0, 3.0)

    def at(self, time: float, period_s: float | None) -> Values:
        """Values of channels at a time, seconds; with a period they repeat after it without a seam."""
        random = Randomness(self.seed, period_s)
        parts = (_sway(random, time), _breath(random, time), _glances(random, time))
        moved = {name: self.strength * value for name, value in add_up(parts).items()}
        return add_up([moved, {"eyes": -self._lids(random, time)}])

    def _lids(self, random: Randomness, time: float) -> float:
        """How far blinks close the eyes, 0 to 1."""
        if not self.blinks:
            return 0.0
        length, count = random.slots(BLINK_EVERY_S / self.blinks)
        slot = math.floor(time / length)
        return max(_blink(random, time, length, slot + near, count) for near in (-1, 0))


def _blink(random: Randomness, time: float, length: float, slot: int, count: int | None) -> float:
    """How far the blink of a slot closes the eyes; some are double."""
    start = (slot + 0.1 + 0.75 * random.in_slot("blink", slot, count)) * length
    rise = RISE_S[0] + (RISE_S[1] - RISE_S[0]) * random.in_slot("rise", slot, count)
    shut = _closing(time - start, rise)
    if random.in_slot("double", slot, count) < DOUBLE_BLINKS:
        shut = max(shut, _closing(time - start - 0.32, rise))
    return shut


def _closing(since: float, rise: float) -> float:
    return step(since, 0.0, FALL_S) * (1 - step(since, FALL_S + SHUT_S, rise))


def _sway(random: Randomness, time: float) -> Values:
    """The head is never still, and neither is the face."""
    return {
        "yaw": 3.2 * random.noise("yaw", time, 1.9) + 0.7 * random.noise("yaw, fast", time, 0.6),
        "pitch": 2.4 * random.noise("pitch", time, 1.7) + 0.5 * random.noise("pitch, fast", time, 0.55),
        "roll": 2.0 * random.noise("roll", time, 2.3),
        "move_right": 0.8 * random.noise("move", time, 2.6),
        "brows": 0.16 * random.noise("brows", time, 1.4),
        "smile": 0.14 * random.noise("smile", time, 2.4),
    }


def _breath(random: Randomness, time: float) -> Values:
    """In a little faster than out."""
    length, _ = random.slots(BREATH_S)
    turn = math.tau * time / length
    risen = math.sin(turn - 0.35 * math.cos(turn))
    return {"move_up": 0.45 * risen, "pitch": -0.55 * risen, "zoom": 0.25 * risen}


def _glances(random: Randomness, time: float) -> Values:
    """The eyes jump from point to point and rest there; the head follows the far ones slowly, and partly."""
    eyes, head = (_glance(random, time, seconds) for seconds in (SACCADE_S, HEAD_FOLLOWS_S))
    return {
        "gaze_horizontal": eyes[0] - HEAD_SHARE * head[0],
        "gaze_vertical": eyes[1] - HEAD_SHARE * head[1],
        "yaw": HEAD_SHARE * head[0],
        "pitch": -HEAD_SHARE * head[1],
    }


def _glance(random: Randomness, time: float, seconds: float) -> tuple[float, float]:
    """Where one looks, degrees to the right and up, if it takes so many seconds to look elsewhere."""
    length, count = random.slots(GLANCE_EVERY_S)
    slot = math.floor(time / length)
    start = (slot + 0.5 * random.in_slot("glance", slot, count)) * length
    done = step(time, start, seconds)
    before, after = (_target(random, number, count) for number in (slot - 1, slot))
    return tuple(one + (other - one) * done for one, other in zip(before, after, strict=True))


def _target(random: Randomness, slot: int, count: int | None) -> tuple[float, float]:
    is_near = random.in_slot("near", slot, count) < NEAR_GLANCES
    reach: Mapping[int, float] = dict(enumerate(NEAR_GLANCE_DEG if is_near else GLANCE_DEG))
    return tuple((2 * random.in_slot(f"target {axis}", slot, count) - 1) * most for axis, most in reach.items())
