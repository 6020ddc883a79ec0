"""Prepare the next chunk of an iterator in a thread while the present one is in use."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

T = TypeVar("T")


def chunks_ahead(items: Iterator[T], chunk_size: int) -> Iterator[list[T]]:
    """Yield lists of up to `chunk_size` items, in order, one list being prepared beyond the one that is out.

    Work on tensors leaves Python's lock, so the tracker runs beside the UNet. No gradients are kept. What preparing an
    item raises is raised after the list before it was handed out. One thread at a time uses `items`.
    """

    def next_chunk() -> list[T]:
        with torch.no_grad():  # set here, because the mode belongs to the thread
            return list(islice(items, chunk_size))

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="reading-ahead") as worker:
        following = worker.submit(next_chunk)
        while chunk := following.result():
            following = worker.submit(next_chunk)
            yield chunk
