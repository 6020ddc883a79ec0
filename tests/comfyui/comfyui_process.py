"""A real ComfyUI server with a base folder of its own, holding a copy of this repository as a user's custom node."""

import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
# A dash and upper case, as after `git clone`: no name of a Python package.
PACK_FOLDER = "ComfyUI-DiffusionAct"
START_TIMEOUT = 300


@dataclass(frozen=True)
class Installation:
    """A ComfyUI folder and the interpreter that runs it."""

    comfyui: Path
    python: Path

    @classmethod
    def find(cls) -> "Installation | None":
        """COMFYUI_DIR and COMFYUI_PYTHON, else what `make comfyui` made, else None."""
        own = ROOT / ".comfyui"
        if "COMFYUI_DIR" in os.environ:
            folder = Path(os.environ["COMFYUI_DIR"])
            return cls(folder, Path(os.environ.get("COMFYUI_PYTHON", folder / "venv" / "bin" / "python")))
        return cls(own / "ComfyUI", own / "venv" / "bin" / "python") if (own / "installed").exists() else None

    def has_gpu(self) -> bool:
        """Whether its torch sees a GPU."""
        command = [self.python, "-c", "import sys, torch; sys.exit(not torch.cuda.is_available())"]
        return subprocess.run(command).returncode == 0


def listed_files(*options: str) -> set[str]:
    """Files of the working tree as git lists them."""
    command = ["git", "ls-files", "-z", "--cached", "--others", *options]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout
    return set(filter(None, listing.split("\0")))


def copy_pack(target: Path) -> None:
    """Copy what the ComfyUI registry would ship: the repository without what .gitignore and .comfyignore name."""
    files = listed_files("--exclude-standard")
    if (ROOT / ".comfyignore").exists():
        files -= listed_files("--ignored", "--exclude-from=.comfyignore")
    for name in files:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def copy_demo_media(base: Path) -> None:
    """Put the demo's image and clip where ComfyUI looks for inputs."""
    (base / "input").mkdir(parents=True, exist_ok=True)
    for file in (ROOT / "diffusionact" / "demo" / "media").iterdir():
        shutil.copy2(file, base / "input" / file.name)


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class ServerProcess:
    """One ComfyUI server.

    `base` has its custom_nodes, models, input, output, temp and user folders, `packages` what is installed beside its
    own Python packages; `started` is called before it is waited for.
    """

    def __init__(
        self,
        installation: Installation,
        base: Path,
        device: tuple[str, ...] = ("--cpu",),
        pack_folder: str = PACK_FOLDER,
        packages: Path | None = None,
        started: Callable[[subprocess.Popen], object] = lambda process: None,
    ) -> None:
        self.base = base
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = base / "server.log"
        for name in ("custom_nodes", "models", "input", "output", "temp", "user"):
            (base / name).mkdir(parents=True, exist_ok=True)
        copy_pack(base / "custom_nodes" / pack_folder)
        command = [installation.python, "main.py", *device, "--listen", "127.0.0.1", "--port", self.port]
        command += ["--base-directory", base, "--database-url", f"sqlite:///{base / 'user' / 'comfyui.db'}"]
        command += ["--disable-auto-launch", "--disable-api-nodes"]
        # One OpenMP thread: with two, tiny forward passes are ten times slower where cores are shared. No pytest or
        # virtual environment of the caller may reach the server.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
        if packages is not None:
            environment["PYTHONPATH"] = str(packages)
        self.start = time.monotonic()
        self.process = subprocess.Popen(
            list(map(str, command)),
            cwd=installation.comfyui,
            env=environment | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=self.log_file.open("a"),
            stderr=subprocess.STDOUT,
        )
        started(self.process)
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def wait_until_ready(self) -> None:
        """Return when the server answers.

        Raises:
            RuntimeError: if it ends or does not answer in time; the message holds the end of its log.
        """
        while time.monotonic() - self.start < START_TIMEOUT and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/system_stats", timeout=5).close()
                self.seconds_to_ready = time.monotonic() - self.start
                return
            except (urllib.error.URLError, TimeoutError):
                time.sleep(0.2)
        raise RuntimeError(f"ComfyUI did not start; the end of its log:\n{self.log()[-3000:]}")

    def log(self) -> str:
        """All that the server printed so far."""
        return self.log_file.read_text(errors="replace")

    def memory(self) -> int:
        """Resident memory of the server, bytes."""
        return psutil.Process(self.process.pid).memory_info().rss

    @contextmanager
    def peak_memory(self) -> Iterator[list[int]]:
        """Sample memory ten times per second; afterwards the list holds the samples, bytes."""
        samples, done = [self.memory()], threading.Event()

        def sample() -> None:
            while not done.wait(0.1):
                samples.append(self.memory())

        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        try:
            yield samples
        finally:
            done.set()
            thread.join()

    def stop(self) -> None:
        """End the server."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
