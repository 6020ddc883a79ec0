"""Frames per second and delay over the last seconds."""

from __future__ import annotations

from collections import deque

WINDOW_S = 3.0


class Pace:
    """Counts frames as they are shown."""

    def __init__(self) -> None:
        self._shown: deque[tuple[float, float]] = deque()

    def count(self, shown_at: float, delay: float) -> None:
        """One more frame.

        Args:
            shown_at: seconds of any clock that only goes forward.
            delay: seconds from the camera to the screen.
        """
        self._shown.append((shown_at, delay))
        while shown_at - self._shown[0][0] > WINDOW_S:
            self._shown.popleft()

    @property
    def frames_per_second(self) -> float:
        """0 until there are two frames."""
        if len(self._shown) < 2:
            return 0.0
        return (len(self._shown) - 1) / max(self._shown[-1][0] - self._shown[0][0], 1e-6)

    @property
    def delay(self) -> float:
        """Mean, seconds; 0 without frames."""
        return sum(delay for _, delay in self._shown) / max(1, len(self._shown))
