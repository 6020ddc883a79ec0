"""Seeded randomness that can be asked for any time, in any order: nothing is stored, and a period closes it to a loop.

Numbers depend on the seed, a name and an index alone, on every machine.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

SCALE = 2.0**64


@dataclass(frozen=True)
class Randomness:
    """A family of random functions of time.

    Attributes:
        seed: another one is another family.
        period_s: seconds after which everything repeats; None never repeats.
    """

    seed: int
    period_s: float | None = None

    def number(self, name: str, index: int) -> float:
        """A number in [0, 1) of its own for each name and index."""
        digest = hashlib.blake2b(f"{self.seed}/{name}/{index}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / SCALE

    def slots(self, about_s: float) -> tuple[float, int | None]:
        """Length of slots of about so many seconds, and how many fill the period, where there is one."""
        if self.period_s is None:
            return about_s, None
        count = max(1, round(self.period_s / about_s))
        return self.period_s / count, count

    def in_slot(self, name: str, slot: int, count: int | None) -> float:
        """`number` of a slot, the same in every period."""
        return self.number(name, slot if count is None else slot % count)

    def noise(self, name: str, time: float, about_s: float) -> float:
        """Smooth noise of a middle of 0 in [-1, 1], which changes in about so many seconds; a cubic B-spline."""
        length, count = self.slots(about_s)
        slot = math.floor(time / length)
        t = time / length - slot
        weights = (
            (1 - t) ** 3 / 6,
            (3 * t**3 - 6 * t**2 + 4) / 6,
            (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
            t**3 / 6,
        )
        points = (2 * self.in_slot(name, slot + step, count) - 1 for step in (-1, 0, 1, 2))
        return sum(weight * point for weight, point in zip(weights, points, strict=True))


def step(time: float, start: float, seconds: float) -> float:
    """0 before `start`, 1 so many seconds later, smooth in between."""
    t = min(max((time - start) / seconds, 0.0), 1.0)
    return t * t * (3 - 2 * t)
