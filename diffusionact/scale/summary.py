"""What became of many tasks: a bar with the time that is left, and a file that is up to date while they run."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tqdm import tqdm

from .stores import write_text
from .tasks import Outcome

logger = logging.getLogger(__name__)

SAVED_EVERY_S = 10.0
DONE = "done"


class Summary:
    """Counts outcomes and keeps what failed.

    Args:
        path: of the JSON file, local or in a store.
        total: tasks.
        name_of: the name of a task by its index, for the list of those that were set aside.
    """

    def __init__(self, path: str, total: int, name_of: Callable[[int], str]):
        self.path, self.total, self._name_of = path, total, name_of
        self.set_aside: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()
        self._workers: Counter[str] = Counter()
        self._tried_again, self._busy_s = 0, 0.0
        self._began = self._saved = time.monotonic()

    def follow(self, outcomes: Iterable[Outcome], title: str, unit: str) -> Iterator[Outcome]:
        """Pass outcomes on while they are counted, shown and saved; saves at the end, whatever ends it.

        Raises:
            OSError: if the file cannot be written, before any work is done or after all of it.
        """
        self.save()
        try:
            with tqdm(outcomes, title, self.total, unit=unit, smoothing=0.05) as bar:
                for outcome in bar:
                    self._add(outcome)
                    bar.set_postfix(failed=len(self.set_aside), refresh=False)
                    self._save_when_due()
                    yield outcome
        finally:
            self.save()

    def save(self) -> None:
        """Write the file."""
        write_text(self.path, json.dumps(self.content(), indent=1) + "\n")
        self._saved = time.monotonic()

    def _save_when_due(self) -> None:
        """Write the file now and then; a store that is away for a moment must not end the work."""
        if time.monotonic() - self._saved <= SAVED_EVERY_S:
            return
        try:
            self.save()
        except OSError as error:
            self._saved = time.monotonic()
            logger.warning("%s was not written (%s); it is tried again in %.0f s", self.path, error, SAVED_EVERY_S)

    def content(self) -> dict[str, Any]:
        """What the file says."""
        seconds = time.monotonic() - self._began
        settled = sum(self._counts.values()) + len(self.set_aside)
        return {
            "total": self.total,
            "settled": settled,
            "done": dict(self._counts),
            "failed": len(self.set_aside),
            "tried_more_than_once": self._tried_again,
            "seconds": round(seconds, 3),
            "seconds_left": round(seconds / settled * (self.total - settled), 1) if settled else None,
            "worker_seconds": round(self._busy_s, 3),
            "workers": dict(self._workers),
            "set_aside": self.set_aside,
        }

    def _add(self, outcome: Outcome) -> None:
        last = outcome.last
        self._tried_again += outcome.tries > 1
        self._busy_s += last.seconds
        if last.worker:
            self._workers[last.worker] += 1
        if last.error:
            name = self._name_of(outcome.index)
            self.set_aside.append({"name": name, "tries": outcome.tries, "error": last.error})
        else:
            self._counts[last.result if isinstance(last.result, str) else DONE] += 1
