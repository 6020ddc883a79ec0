"""What a program around the pipeline wants to know and to say while frames are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..devices import free_memory


def _nothing(*_: object) -> None:
    """The default of hooks."""


@dataclass(frozen=True)
class StreamHooks:
    """Functions that a stream of frames calls; what they raise ends it.

    Attributes:
        on_step: (done, preview): `done` counts steps since the stream began, `steps_per_frame` of the engine for each
            frame, and goes back where memory ran out; `preview` is (n, 3, H, W) in about [-1, 1] or None.
        check_interrupted: called often; raises where the user wants to stop.
        before_chunk: (number of frames), before they are rendered, for loading weights.
        free_memory: called between two attempts after memory ran out.
    """

    on_step: Callable[[int, Tensor | None], None] = _nothing
    check_interrupted: Callable[[], None] = _nothing
    before_chunk: Callable[[int], None] = _nothing
    free_memory: Callable[[], None] = free_memory


NO_HOOKS = StreamHooks()


class ChunkProgress:
    """Turns the steps of one chunk into steps of the stream.

    Args:
        hooks: are told.
        before: steps that were done before the chunk.
        num_frames: in the chunk; a step of the engine is a step of each of them.
    """

    def __init__(self, hooks: StreamHooks, before: int, num_frames: int):
        self._hooks, self._before, self._num_frames = hooks, before, num_frames
        self._preview: Tensor | None = None

    def on_preview(self, image: Tensor) -> None:
        """Keep what is shown with the next step."""
        self._preview = image

    def on_step(self, done: int, total: int) -> None:
        """One more step of the engine is done."""
        self._hooks.check_interrupted()
        self._hooks.on_step(self._before + done * self._num_frames, self._preview)
