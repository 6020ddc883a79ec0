"""What is shown live, written to a video of a constant rate: each frame stays until the next one came."""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from ..video import VideoWriter

FRAME_RATE = Fraction(25)
# After a pause longer than this, such as a laptop that slept, the video goes on at once.
MAX_PAUSE_S = 2.0


class LiveRecorder:
    """Writes frames that come at any time. The file appears, complete, when the recorder is closed.

    Args:
        path: .mp4, .mov or .mkv; its folder must exist.
        frame_rate: of the video, frames per second.
    """

    def __init__(self, path: Path, frame_rate: Fraction = FRAME_RATE):
        self.path, self.frame_rate = path, frame_rate
        self._open = ExitStack()
        self._writer: VideoWriter | None = None
        self._last: Tensor | None = None
        self._began_at = self._last_at = 0.0

    @property
    def seconds(self) -> float:
        """Length of the video so far."""
        return self._writer.frame_count / float(self.frame_rate) if self._writer else 0.0

    def write(self, frame: Tensor, shown_at: float) -> None:
        """Add a frame uint8 (H, W, 3), all of one size, that is shown from a time on, in seconds of a steady clock.

        Raises:
            ValueError: if the suffix is unknown, or a frame has another size.
            OSError: if the file cannot be written.
        """
        if self._writer is None:
            writer = VideoWriter(self.path, self.frame_rate, tuple(frame.shape[:2]))
            self._writer = self._open.enter_context(writer)
            self._began_at = self._last_at = shown_at
        self._began_at += max(0.0, shown_at - self._last_at - MAX_PAUSE_S)
        self._last_at = shown_at
        due = round((shown_at - self._began_at) * self.frame_rate)
        while self._last is not None and self._writer.frame_count < due:
            self._writer.write(self._last)
        self._last = frame.cpu()

    def close(self) -> Path | None:
        """Finish the file; its path, or None if there was no frame.

        Raises:
            OSError: if the file cannot be written.
        """
        if self._writer is None or self._last is None:
            return None
        self._writer.write(self._last)
        self._open.close()
        return self.path

    def discard(self) -> None:
        """Leave no file behind, unless it was closed before."""
        self._open.__exit__(InterruptedError, InterruptedError(), None)
