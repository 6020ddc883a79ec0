"""A bundled motion in the place of the driving video: what jobs ask of a clip, with its curves as the frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from diffusionact.motion import PRESETS, Timeline, draw_curves, load_script

# What the page shows for each motion; the first takes the video.
AS_THE_VIDEO = "video"
CHOICES = [("As the video does", AS_THE_VIDEO), *((name.replace("_", " ").capitalize(), name) for name in PRESETS)]
FRAME_RATE = 25
CURSOR = 255


@dataclass(frozen=True)
class MotionClip:
    """A motion as a job takes a driving clip.

    Attributes:
        timeline: what happens.
        has_audio: never.
        problems: none.
    """

    timeline: Timeline
    has_audio: bool = False
    problems: tuple[str, ...] = ()

    @property
    def frame_rate(self) -> Fraction:
        return self.timeline.frame_rate

    @property
    def frame_count(self) -> int:
        return self.timeline.frame_count

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the curves uint8 (H, W, 3), the present moment marked."""
        curves = draw_curves(self.timeline, float(self.frame_rate))
        for index in range(self.frame_count):
            frame = curves.clone()
            frame[:, index * (curves.shape[1] - 1) // self.frame_count] = CURSOR
            yield frame


def motion_clip(name: str, most_frames: int) -> MotionClip:
    """A bundled motion, once, so that it can be played in a loop."""
    script = load_script(name)
    seconds = min(script.seconds, most_frames / FRAME_RATE)
    return MotionClip(Timeline.of(script, FRAME_RATE, seconds, is_seamless=True))
