"""Servers that end with the process that needs them, however it ends."""

from __future__ import annotations

import subprocess
import sys

WATCH = """
import sys, psutil
try:
    server = psutil.Process(int(sys.argv[1]))
    sys.stdin.read()  # ends when nobody holds the other end
    server.kill()
except psutil.NoSuchProcess:
    pass
"""


def end_with_us(server: subprocess.Popen) -> subprocess.Popen:
    """Start a watcher that kills a server when this process is gone, be it by SIGKILL; returns the watcher."""
    words = [sys.executable, "-c", WATCH, str(server.pid)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)
