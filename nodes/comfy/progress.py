"""Progress bar, live preview and interruption, one call for each step of work."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import comfy.model_management
import comfy.utils
from PIL import Image
from torch import Tensor

from ...diffusionact import images

T = TypeVar("T")

PREVIEW_SIZE = 512
# Images shown more often than this cost time and are not seen.
PREVIEW_INTERVAL_S = 0.25


class Progress:
    """Reports steps to ComfyUI, and stops the work where the user asked for it.

    Args:
        total: number of steps.
    """

    def __init__(self, total: int):
        self.done = 0
        self._bar = comfy.utils.ProgressBar(max(total, 1))
        self._last_preview = 0.0

    def advance_to(self, done: int, image: Tensor | None = None) -> None:
        """Say how many steps are done; the number may go back where work is done again.

        Args:
            done: steps since the beginning.
            image: (B, 3, H, W) in about [-1, 1]; its last row is shown on the node.

        Raises:
            InterruptProcessingException: if the user pressed cancel.
        """
        comfy.model_management.throw_exception_if_processing_interrupted()
        self.done = done
        now = time.monotonic()
        if image is None or now - self._last_preview < PREVIEW_INTERVAL_S:
            self._bar.update_absolute(done)
            return
        self._last_preview = now
        self._bar.update_absolute(done, preview=_preview(image))

    def on_step(self, done: int, total: int) -> None:
        """For work that counts its own steps, such as UNet calls or bytes."""
        self._bar.total = total
        self.advance_to(done)


class WatchedScheduler:
    """A scheduler that reports every step it takes, with the image as it is expected to become.

    Args:
        scheduler: does the work.
        progress: is told; a step of a batch of B images counts B steps.
    """

    def __init__(self, scheduler: Any, progress: Progress):
        self._scheduler = scheduler
        self._progress = progress

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """Take a step; see the scheduler's own."""
        result = self._scheduler.step(*args, **kwargs)
        image = getattr(result, "pred_original_sample", None)
        if image is None:
            image = self._scheduler.model_outputs[-1]  # where diffusers' solvers keep the image they expect
        self._progress.advance_to(self._progress.done + len(image), image)
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scheduler, name)


def stoppable(frames: Iterable[T]) -> Iterator[T]:
    """The same frames, each open to interruption: for work that may go on long before its first step is done."""
    for frame in frames:
        comfy.model_management.throw_exception_if_processing_interrupted()
        yield frame


def _preview(image: Tensor) -> tuple[str, Image.Image, int]:
    return "JPEG", Image.fromarray(images.model_to_uint8(image[-1:])[0].cpu().numpy()), PREVIEW_SIZE
