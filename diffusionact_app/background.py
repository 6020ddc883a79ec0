"""Work in a thread whose reports are read as an iterator: for callbacks whose news a generator should yield."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")
# The work goes on while so many reports wait to be read; frames among them take memory.
MAX_WAITING = 8
END = object()


class Report(Protocol):
    """How the work reports."""

    def __call__(self, item: Any, can_wait: bool = True) -> None:
        """Hand an item on.

        Args:
            item: anything.
            can_wait: wait until there is room; otherwise the item is dropped where there is none. Work that holds a
                lock must not wait for a slow reader.

        Raises:
            ReaderLeft: if nobody reads any more.
        """


class ReaderLeft(Exception):
    """Nobody reads the reports any more; raised inside the work by its next report."""


def reports(work: Callable[[Report], Result]) -> Generator[Any, None, Result]:
    """Yield what `work` reports, then return what it returns, or raise what it raises.

    Closing the generator ends the work at its next report, and waits for that.

    Args:
        work: called in a thread with the function that reports.
    """
    waiting: queue.Queue = queue.Queue(MAX_WAITING)
    has_left = threading.Event()
    outcome: Future = Future()

    def report(item: Any, can_wait: bool = True) -> None:
        if can_wait or not waiting.full():  # nobody else puts anything in
            waiting.put(item)
        if has_left.is_set():
            raise ReaderLeft

    def run() -> None:
        try:
            outcome.set_result(work(report))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that reads
            outcome.set_exception(error)
        finally:
            waiting.put(END)

    # A daemon: a job of a visitor should not keep the server from ending.
    threading.Thread(target=run, daemon=True).start()
    try:
        yield from iter(waiting.get, END)
    except BaseException:
        has_left.set()
        deque(iter(waiting.get, END), maxlen=0)
        raise
    return outcome.result()
