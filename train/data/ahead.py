"""Batches prepared ahead of training by threads; which batches, and in which order, does not depend on the threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch

T = TypeVar("T")

BATCHES_PER_WORKER = 2  # prepared or in preparation, beyond the one that is out


class BatchesAhead(Generic[T]):
    """Calls a function of the batch number in threads, for the numbers that will be asked for next.

    Decoding and drawing leave Python's lock for most of their time, so that threads are enough. No gradients are kept.

        with BatchesAhead(stage.batch, config.data.workers) as batches:
            batch = batches(index)

    Args:
        make: batch number -> batch; a fixed function of the number that several threads may call at once.
        workers: threads; 0 makes each batch when it is asked for.
    """

    def __init__(self, make: Callable[[int], T], workers: int = 0):
        self.make = make
        self.ahead = BATCHES_PER_WORKER * workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="batches") if workers else None
        self._coming: dict[int, Future[T]] = {}

    def __call__(self, index: int) -> T:
        """Batch number `index`. What making it raises is raised here.

        Any number may be asked for; numbers in a row are the ones that were prepared.
        """
        if self._threads is None:
            return self.make(index)
        wanted = range(index, index + 1 + self.ahead)
        for number in [number for number in self._coming if number not in wanted]:
            self._coming.pop(number).cancel()
        for number in wanted:
            if number not in self._coming:
                self._coming[number] = self._threads.submit(self._make, number)
        return self._coming.pop(index).result()

    def close(self) -> None:
        """Forget what was prepared and end the threads."""
        for coming in self._coming.values():
            coming.cancel()
        self._coming.clear()
        if self._threads is not None:
            self._threads.shutdown()

    def __enter__(self) -> BatchesAhead[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make(self, index: int) -> T:
        with torch.no_grad():  # set here, because the mode belongs to the thread
            return self.make(index)
