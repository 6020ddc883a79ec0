"""Progress bar, live preview and interruption, one call for each step of work."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import comfy.model_management
import comfy.utils
from PIL import Image
from torch import Tensor

from ...diffusionact import images

T = TypeVar("T")

PREVIEW_SIZE = 512
# Images shown more often than this cost time and are not seen.
PREVIEW_INTERVAL_S = 0.25


class NodeProgress:
    """Reports steps to ComfyUI, and stops the work where the user asked for it.

    Args:
        total: number of steps.
    """

    def __init__(self, total: int):
        self._bar = comfy.utils.ProgressBar(max(total, 1))
        self._last_preview = 0.0

    def advance_to(self, done: int, preview: Tensor | None = None) -> None:
        """Say how many steps are done; the number may go back where work is done again.

        Args:
            done: steps since the beginning.
            preview: (B, 3, H, W) in about [-1, 1]; its last row is shown on the node.

        Raises:
            InterruptProcessingException: if the user pressed cancel.
        """
        check_interrupted()
        now = time.monotonic()
        if preview is None or now - self._last_preview < PREVIEW_INTERVAL_S:
            self._bar.update_absolute(done)
            return
        self._last_preview = now
        self._bar.update_absolute(done, preview=_shown(preview))

    def on_step(self, done: int, total: int) -> None:
        """For work that counts its own steps, such as network calls or bytes."""
        self._bar.total = total
        self.advance_to(done)

    def watch(self, frames: Iterable[T]) -> Iterator[T]:
        """The same frames, each counted as a step and open to interruption."""
        for index, frame in enumerate(frames):
            self.advance_to(index)
            yield frame


def check_interrupted() -> None:
    """Raise InterruptProcessingException if the user pressed cancel."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def _shown(image: Tensor) -> tuple[str, Image.Image, int]:
    return "JPEG", Image.fromarray(images.model_to_uint8(image[-1:])[0].cpu().numpy()), PREVIEW_SIZE
