"""A running app with a tiny model, as visitors find it: another process, real uploads, real tracker."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO_MEDIA = REPOSITORY / "diffusionact" / "demo" / "media"
START_S = 120


@dataclass(frozen=True)
class RunningApp:
    """Where it listens, its folder for uploads and results, its process id and log."""

    url: str
    files: Path
    pid: int
    log: Path


def start_app(model: Path, folder: Path, *options: str) -> tuple[subprocess.Popen, RunningApp]:
    """Start `gradio_app.py` on a free port and wait until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    files, log = folder / "files", folder / "app.log"
    environment = os.environ | {"GRADIO_TEMP_DIR": str(files), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "gradio_app.py", "--model", str(model), "--device", "cpu", "--port", str(port), *options]
    with log.open("w") as output:
        process = subprocess.Popen(words, cwd=REPOSITORY, env=environment, stdout=output, stderr=subprocess.STDOUT)
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


@pytest.fixture(scope="session")
def app(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """One app for all tests."""
    process, running = start_app(tiny_model_folder, tmp_path_factory.mktemp("app"))
    yield running
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="session")
def source_file() -> Path:
    """The demo's source picture."""
    return DEMO_MEDIA / "source.png"


@pytest.fixture(scope="session")
def driving_file() -> Path:
    """The demo's driving clip, 100 frames."""
    return DEMO_MEDIA / "driving.mp4"


@pytest.fixture(scope="session")
def faceless_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture without a face: a slope of grey."""
    path = tmp_path_factory.mktemp("faceless") / "wall.png"
    Image.fromarray(np.tile(np.linspace(60, 200, 256).astype(np.uint8), (256, 1))).save(path)
    return path


@pytest.fixture(scope="session")
def corrupt_file(driving_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip whose end is missing: its index lies there, so nothing can be read."""
    path = tmp_path_factory.mktemp("corrupt") / "cut_off.mp4"
    path.write_bytes(driving_file.read_bytes()[:50_000])
    return path


@pytest.fixture(scope="session")
def two_faces_file(source_file: Path, portrait, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large face on the image's left and a smaller one on its right."""
    canvas = Image.new("RGB", (640, 320), (120, 120, 120))
    canvas.paste(Image.open(source_file).resize((320, 320)), (0, 0))
    canvas.paste(Image.fromarray(portrait.numpy()).resize((200, 200)), (400, 60))
    path = tmp_path_factory.mktemp("two") / "two.png"
    canvas.save(path)
    return path
