"""Folders for the results of each visitor: names nobody can guess, gone when the page is closed or after a while."""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .jobs import STOP_NAME


class Sessions:
    """Keeps which folders belong to which browser session.

    Args:
        root: folder inside the app's folder of uploads, made if absent.
        keep_seconds: age at which folders are removed even while their page is open.
        clock: seconds; one that nobody sets, or a correction of the machine's time would take results away.
    """

    def __init__(self, root: Path, keep_seconds: int, clock: Callable[[], float] = time.monotonic):
        self.root = root
        self.keep_seconds = keep_seconds
        self._clock = clock
        self._written: dict[Path, tuple[int, float]] = {}  # time stamp of a folder, and when it was first seen
        self._folders: dict[str, list[Path]] = {}
        self._lock = threading.Lock()
        root.mkdir(parents=True, exist_ok=True)

    def new_folder(self, session: str) -> Path:
        """A fresh empty folder for one job of a session."""
        self.remove_old()
        folder = self.root / uuid.uuid4().hex
        folder.mkdir()
        self._written[folder] = (folder.stat().st_mtime_ns, self._clock())
        with self._lock:
            self._folders.setdefault(session, []).append(folder)
        return folder

    def stop(self, session: str) -> None:
        """Ask the jobs of a session to end."""
        for folder in self._of(session):
            if folder.is_dir():
                (folder / STOP_NAME).touch()

    def keep(self, session: str) -> None:
        """Count the folders of a session as young: one of its jobs is at work."""
        for folder in self._of(session):
            with suppress(FileNotFoundError):
                os.utime(folder)

    def close(self, session: str) -> None:
        """End the jobs of a session whose page was closed, and remove its files."""
        self.stop(session)
        with self._lock:
            folders = self._folders.pop(session, [])
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    def remove_old(self) -> None:
        """Remove folders that nobody has written into for `keep_seconds`; those of an earlier start count from now."""
        now, before = self._clock(), self._written
        self._written = {}
        for folder in self.root.iterdir():
            try:
                stamp = folder.stat().st_mtime_ns
            except FileNotFoundError:  # another session's close was faster
                continue
            known, since = before.get(folder, (None, now))
            # Whether a stamp is another says that something was written; how large it is depends on a clock.
            self._written[folder] = (stamp, since if stamp == known else now)
            if now - self._written[folder][1] > self.keep_seconds:
                shutil.rmtree(folder, ignore_errors=True)
        with self._lock:  # callers of the API never close their sessions
            there = {session: [each for each in mine if each.is_dir()] for session, mine in self._folders.items()}
            self._folders = {session: mine for session, mine in there.items() if mine}

    def _of(self, session: str) -> list[Path]:
        with self._lock:
            return list(self._folders.get(session, []))
