"""Work in chunks that become smaller when memory runs out; what comes out does not depend on their size."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

T = TypeVar("T")

logger = logging.getLogger(__name__)


def in_chunks(work: Callable[[slice], T], count: int, chunk_size: int, free_memory: Callable[[], None]) -> Iterator[T]:
    """Yield the results of `work` for the rows 0..count, chunk after chunk.

    Args:
        work: does the rows of a slice; called again for the first half of it where memory ran out.
        count: number of rows.
        chunk_size: rows at a time, to begin with.
        free_memory: called between two attempts.

    Raises:
        torch.cuda.OutOfMemoryError: if one row alone is too much; ComfyUI then unloads all models.
    """
    start = 0
    while start < count:
        rows = slice(start, min(start + chunk_size, count))
        try:
            result = work(rows)
        except RuntimeError as error:
            if not ran_out_of_memory(error):
                raise
            result = None
        # Beyond the handler, which would keep the failed attempt's tensors alive.
        if result is None:
            chunk_size = _halve(rows.stop - rows.start)
            free_memory()
            continue
        yield result
        start = rows.stop


def ran_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that a device, or the CPU's allocator, has no memory left."""
    said_so = any(words in str(error).lower() for words in ("out of memory", "can't allocate memory"))
    return said_so or isinstance(error, torch.cuda.OutOfMemoryError)


def _halve(size: int) -> int:
    if size == 1:
        raise torch.cuda.OutOfMemoryError(
            "Expected enough memory to render one frame, received none from the device. Close other programs, unload "
            "other models, or load the model in half precision."
        )
    logger.info("Out of memory with %d frames at a time, going on with %d", size, size // 2)
    return size // 2
