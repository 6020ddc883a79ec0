"""An app in a process of its own, as visitors find it."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO_MEDIA = REPOSITORY / "diffusionact" / "demo" / "media"
START_S = 300
# Enough for a machine with many other things to do; only a broken app takes as long.
PATIENCE_S = 300


@dataclass(frozen=True)
class RunningApp:
    """Where it listens, its folder for uploads and results, its process id and log."""

    url: str
    files: Path
    pid: int
    log: Path

    def wait_until_gone(self, path: Path) -> None:
        """Wait until the app has removed a file or folder; raises AssertionError if it ends, or hangs, before."""
        deadline = time.monotonic() + PATIENCE_S
        while path.exists():
            assert psutil.pid_exists(self.pid), f"The app ended:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"{path} is still there:\n{self.log.read_text()}"
            time.sleep(0.1)


def start_app(
    model: Path, folder: Path, *options: str, started: Callable[[subprocess.Popen], object] = lambda process: None
) -> tuple[subprocess.Popen, RunningApp]:
    """Start `gradio_app.py` on a free port, call `started`, and wait until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    files, log = folder / "files", folder / "app.log"
    environment = os.environ | {"GRADIO_TEMP_DIR": str(files), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "gradio_app.py", "--model", str(model), "--device", "cpu", "--port", str(port), *options]
    with log.open("w") as output:
        process = subprocess.Popen(words, cwd=REPOSITORY, env=environment, stdout=output, stderr=subprocess.STDOUT)
    started(process)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/config", timeout=5).close()
        except OSError:
            time.sleep(0.2)
            continue
        return process, RunningApp(url, files, process.pid, log)
    process.kill()
    raise AssertionError(f"The app did not start:\n{log.read_text()}")
