"""How long a job will take, from what the last ones took.

    seconds = inversion steps * call + frames * (steps * call + tracking)

`call` is one UNet call for one frame; both speeds are moving averages.
"""

from __future__ import annotations

from dataclasses import dataclass

EMA_WEIGHT = 0.3
FULL_CHUNK_S = 2.0  # a chunk shall not keep others waiting, or the page still, for longer
MAX_FRAMES_PER_CHUNK = 8


@dataclass
class CostModel:
    """Measured speeds, in seconds.

    Attributes:
        call: one UNet call for one frame.
        tracking: reading, tracking and writing one frame.
    """

    call: float = 0.05
    tracking: float = 0.05

    def estimate(self, frames: int, steps: int, inversion_steps: int) -> float:
        """Seconds for a whole job; `inversion_steps` is 0 for a source that is encoded already."""
        return inversion_steps * self.call + frames * self.frame(steps)

    def frame(self, steps: int) -> float:
        """Seconds for one frame."""
        return steps * self.call + self.tracking

    def chunk_size(self, steps: int) -> int:
        """Frames to render together."""
        return max(1, min(MAX_FRAMES_PER_CHUNK, int(FULL_CHUNK_S / self.frame(steps))))

    def learn_calls(self, seconds: float, calls: int) -> None:
        """Take in a measurement of UNet calls."""
        self.call += EMA_WEIGHT * (seconds / calls - self.call)

    def learn_frames(self, seconds: float, frames: int, steps: int) -> None:
        """Take in a measurement of finished frames; the two speeds keep their ratio."""
        factor = 1.0 + EMA_WEIGHT * (seconds / frames / self.frame(steps) - 1.0)
        self.call *= factor
        self.tracking *= factor


def in_words(seconds: float) -> str:
    """ "8 s", "1 min 20 s", "2 h 5 min"."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(whole // 60, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
