"""Work in a thread whose reports are read as an iterator: for callbacks whose news a generator should yield."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any, TypeVar

Result = TypeVar("Result")
Report = Callable[[Any], None]

# The work goes on while so many reports wait to be read; frames among them take memory.
MAX_WAITING = 8
END = object()


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

    def report(item: Any) -> None:
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
