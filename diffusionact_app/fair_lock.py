"""A lock that serves in order of arrival, so that short jobs get in between the chunks of a long one."""

from __future__ import annotations

from collections import deque
from threading import Condition
from types import TracebackType


class FairLock:
    """`with turns:` waits for all who came before."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting: deque[object] = deque()

    def __enter__(self) -> FairLock:
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            self._changed.wait_for(lambda: self._waiting[0] is ticket)
        return self

    def give_way(self) -> None:
        """Let those go first who came meanwhile; called by who has the turn."""
        self.__exit__(None, None, None)
        self.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._waiting.popleft()
            self._changed.notify_all()
