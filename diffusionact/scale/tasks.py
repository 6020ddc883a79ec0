"""Tasks that do not depend on each other: which comes next, how often each is tried, and the runner in this process.

A worker is a function of one task; `make_worker` makes it once, where the work is done, so that it may hold a model.
Whoever runs the tasks owns no more than the order: a task that is done twice must give the same as once.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

MAX_TRIES = 3

Worker = Callable[[Any], Any]


@dataclass(frozen=True)
class Attempt:
    """What became of one try.

    Attributes:
        result: what the worker returned.
        error: why there is no result; "" if there is one.
        is_final: another try would end in the same way.
        seconds: it took.
        worker: host and process that tried.
    """

    result: Any = None
    error: str = ""
    is_final: bool = False
    seconds: float = 0.0
    worker: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        index: of the task.
        tries: how many there were.
        last: the try that settled it; its `error` is why the task was set aside.
    """

    index: int
    tries: int
    last: Attempt


def attempt(worker: Worker, task: Any) -> Attempt:
    """Try a task once. What is rejected with a ValueError is rejected again, so that it needs no second try."""
    started, name = time.perf_counter(), f"{socket.gethostname()}:{os.getpid()}"
    try:
        result, error, is_final = worker(task), "", True
    except Exception as failure:  # one bad row of a million, or a store's own class of errors, must not end the others
        message = " ".join(str(failure).split()) or "no message"
        result, error, is_final = None, f"{type(failure).__name__}: {message}", isinstance(failure, ValueError)
    return Attempt(result, error, is_final, time.perf_counter() - started, name)


class TaskQueue:
    """Which task comes next; those that failed come first, so that they are tried while other workers are there.

    Args:
        tasks: they may become more while the queue is in use.
        max_tries: a task that failed so often is set aside.
    """

    def __init__(self, tasks: Sequence[Any], max_tries: int = MAX_TRIES):
        self._tasks, self._max_tries = tasks, max_tries
        self._next = self._settled = 0
        self._again: deque[int] = deque()
        self._tries: dict[int, int] = {}

    @property
    def unsettled(self) -> int:
        """How many tasks are neither done nor set aside."""
        return len(self._tasks) - self._settled

    def take(self) -> int | None:
        """The index of a task that nobody works at; None if there is none now."""
        if self._again:
            return self._again.popleft()
        if self._next == len(self._tasks):
            return None
        self._next += 1
        return self._next - 1

    def settle(self, index: int, tried: Attempt) -> Outcome | None:
        """Note a try; returns what became of the task, None if it will be tried again."""
        tries = self._tries.pop(index, 0) + 1
        if tried.error and not tried.is_final and tries < self._max_tries:
            self._tries[index] = tries
            self._again.append(index)
            return None
        self._settled += 1
        return Outcome(index, tries, tried)


def run_in_process(
    make_worker: Callable[[], Worker], tasks: Sequence[Any], max_tries: int = MAX_TRIES
) -> Iterator[Outcome]:
    """Do the tasks here, one after the other; whoever takes an outcome may append to them."""
    worker, queue = make_worker(), TaskQueue(tasks, max_tries)
    while (index := queue.take()) is not None:
        outcome = queue.settle(index, attempt(worker, tasks[index]))
        if outcome is not None:
            yield outcome
