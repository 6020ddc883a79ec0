"""How long a job will take, from what the last ones took.

    seconds = steps of encoding * step + frames * (steps per frame * step + reading)

`step` is one step of the engine for one frame; all speeds are moving averages. A frame of a clip that is the source is
encoded first, which takes `photo` beside the engine's steps.
"""

from __future__ import annotations

from dataclasses import dataclass

EMA_WEIGHT = 0.3
FULL_CHUNK_S = 2.0  # a chunk should not keep other visitors waiting for longer
MAX_FRAMES_PER_CHUNK = 8
HEADS_FACTOR = 2.0  # for heads to turn, the person is cut out of every frame


@dataclass
class CostModel:
    """Measured speeds, in seconds.

    Attributes:
        step: one step of the engine for one frame.
        reading: reading, finding the face of, and writing one frame.
        photo: making a source of one photo, beside the engine's steps.
    """

    step: float = 0.05
    reading: float = 0.05
    photo: float = 1.0

    def estimate(self, frames: int, steps: int, encode_steps: int) -> float:
        """Seconds for a whole job; `encode_steps` is 0 for a source that is encoded already."""
        return encode_steps * self.step + frames * self.frame(steps)

    def frame(self, steps: int) -> float:
        """Seconds for one frame."""
        return steps * self.step + self.reading

    def source_frame(self, steps: int, moves_heads: bool) -> float:
        """Seconds for one frame that is a source of its own; `steps` encode and render it."""
        return self.photo * (HEADS_FACTOR if moves_heads else 1.0) + self.frame(steps)

    def chunk_size(self, steps: int) -> int:
        """Frames to render together."""
        return max(1, min(MAX_FRAMES_PER_CHUNK, int(FULL_CHUNK_S / self.frame(steps))))

    def learn_steps(self, seconds: float, steps: int) -> None:
        """Take in a measurement of the engine's steps; there may have been none."""
        if steps:
            self.step += EMA_WEIGHT * (seconds / steps - self.step)

    def learn_frames(self, seconds: float, frames: int, steps: int) -> None:
        """Take in a measurement of finished frames; the two speeds keep their ratio."""
        factor = 1.0 + EMA_WEIGHT * (seconds / frames / self.frame(steps) - 1.0)
        self.step *= factor
        self.reading *= factor

    def learn_source_frames(self, seconds: float, frames: int, steps: int, moves_heads: bool) -> None:
        """Take in a measurement of finished frames that were sources."""
        excess = seconds / frames - self.source_frame(steps, moves_heads)
        self.photo = max(0.0, self.photo + EMA_WEIGHT * excess / (HEADS_FACTOR if moves_heads else 1.0))


def steps_in_words(steps: int) -> str:
    """ "1 step", "10 steps"."""
    return f"{steps} step{'s' if steps > 1 else ''}"


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
