"""Many visitors of a running app at once: everybody gets results, in turn, and nothing is left over.

    python benchmarks/load.py --visitors 20 --minutes 15

Each visitor opens the page's connections, uploads a photo and a clip of their own, presses Animate, waits, looks at the
videos, and begins again. One run in eight is left in the middle: the page is closed, and another one opened. Waiting is
from the press until the work begins; a turn is unfair if, while somebody waited, somebody else began twice.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import random
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import av  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402
from guarded import end_with_us  # noqa: E402
from PIL import Image  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "app")]
MEDIA = ROOT / "diffusionact" / "demo" / "media"
API = "/gradio_api"
TIMEOUT_S = 600
SHARE_OF_LEAVERS = 1 / 8


def main() -> None:
    """Start the app, let visitors come, print a line of JSON; exit code 1 if somebody got nothing, or unfairly late."""
    parser = argparse.ArgumentParser(description="Many visitors of a running app at once.")
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--queue", type=int, default=32, help="of the app; two jobs run at once (default: %(default)s)")
    options = parser.parse_args()
    from running_app import start_app
    from tiny_model import make_tiny_model

    with tempfile.TemporaryDirectory() as folder:
        words, model = ("--queue", str(options.queue)), make_tiny_model(Path(folder, "model"))
        process, app = start_app(model, Path(folder), *words, started=end_with_us)
        try:
            row = load(app, options)
        finally:
            process.terminate()
            process.wait(60)
    print(json.dumps(row), flush=True)
    raise SystemExit(bool(row["errors"] or row["lost"] or row["unfair"] or row["without_result"]))


@dataclass
class Turn:
    """One run of a visitor; moments in seconds."""

    visitor: int
    joined: float
    began: float = 0.0
    ended: float = 0.0
    outcome: str = "waiting"


def load(app, options: argparse.Namespace) -> dict[str, Any]:
    """Let visitors work for a while; what they met."""
    page, process, states = Page.of(app.url), psutil.Process(app.pid), []
    visitors = [Visitor(app.url, page, number, options.frames) for number in range(options.visitors)]
    ends = time.monotonic() + 60 * options.minutes
    threads = [threading.Thread(target=visitor.work_until, args=(ends,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    for moment in range(6):  # the first is after a fifteenth of the time, when everything is loaded
        time.sleep(max(0.0, ends - 60 * options.minutes * (1 - (1 + 14 * moment / 5) / 15) - time.monotonic()))
        states.append(state_of(process))
    for thread in threads:
        thread.join()
    turns = sorted((turn for visitor in visitors for turn in visitor.turns), key=lambda turn: turn.joined)
    if gone := process.status() == psutil.STATUS_ZOMBIE:
        raise RuntimeError(f"The app is gone ({gone}):\n{app.log.read_text()[-3000:]}")
    time.sleep(20)  # the server looks after closed pages every few seconds
    left = sum(1 for folder in (app.files / "results").iterdir() if any(folder.iterdir()))
    return summary(turns, options.visitors) | {
        "errors_in_log": app.log.read_text().count("unforeseen error") + app.log.read_text().count("Traceback"),
        "folders_left": left,
        "states": [*states, state_of(process)],
    }


def state_of(process: psutil.Process) -> dict[str, int]:
    """What the server holds."""
    memory = process.memory_info().rss >> 20
    return {"memory_mb": memory, "files": process.num_fds(), "threads": process.num_threads()}


def summary(turns: list[Turn], visitors: int) -> dict[str, Any]:
    """Counts and percentiles."""
    done = [turn for turn in turns if turn.outcome == "done"]
    waits = [turn.began - turn.joined for turn in turns if turn.began]
    bad = sorted({turn.outcome for turn in turns} - {"done", "left"})
    return {
        "visitors": visitors,
        "runs": len(turns),
        "done": len(done),
        "left": sum(turn.outcome == "left" for turn in turns),
        "errors": sum(turn.outcome in bad and turn.outcome != "lost" for turn in turns),
        "lost": sum(turn.outcome == "lost" for turn in turns),
        "messages": bad[:5],
        "without_result": visitors - len({turn.visitor for turn in done}),
        "runs_of_a_visitor": [min(counts := per_visitor(done, visitors)), max(counts)],
        "unfair": len(unfair(turns)),
        "waited_s": {f"p{share}": round(float(np.percentile(waits, share)), 1) for share in (50, 95, 100)},
    }


def per_visitor(turns: list[Turn], visitors: int) -> list[int]:
    """How many runs each had."""
    return [sum(turn.visitor == number for turn in turns) for number in range(visitors)]


def unfair(turns: list[Turn]) -> list[tuple[Turn, int]]:
    """Turns that waited while somebody else began twice."""
    found = []
    for turn in turns:
        others = [each.visitor for each in turns if turn.joined < each.began < turn.began]
        found += [(turn, other) for other in set(others) - {turn.visitor} if others.count(other) > 1]
    return found


@dataclass(frozen=True)
class Page:
    """What the page sends when Animate is pressed.

    Attributes:
        function: number of the handler.
        values: of its inputs, as the page begins.
        places: elem_id -> position of an input.
        side, full: positions of the two videos among its outputs.
    """

    function: int
    values: list[Any]
    places: dict[str, int]
    side: int
    full: int

    @classmethod
    def of(cls, url: str) -> Page:
        """Read the page's own description."""
        config = json.loads(asked(url, "GET", "/config"))
        components = {component["id"]: component for component in config["components"]}
        names = {number: component["props"].get("elem_id") for number, component in components.items()}
        (found,) = [
            each
            for each in config["dependencies"]
            if {"stage", "side-by-side"} <= {names[number] for number in each["outputs"]} and len(each["inputs"]) > 10
        ]
        values = [components[number]["props"].get("value") for number in found["inputs"]]
        places = {names[number]: place for place, number in enumerate(found["inputs"]) if names[number]}
        outputs = [names[number] for number in found["outputs"]]
        return cls(found["id"], values, places, outputs.index("side-by-side"), outputs.index("full-frame"))


def asked(url: str, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
    """The answer to one request.

    Raises:
        OSError: if it is none.
    """
    connection = connected(url)
    connection.request(method, path, body, {"Content-Type": kind} if body else {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status != 200:
        raise OSError(f"{answer.status}: {content[:200].decode(errors='replace')}")
    return content


def connected(url: str) -> http.client.HTTPConnection:
    """A connection of its own."""
    return http.client.HTTPConnection(url.removeprefix("http://"), timeout=TIMEOUT_S)


class Visitor:
    """Somebody with an open page, a photo and a clip."""

    def __init__(self, url: str, page: Page, number: int, frames: int) -> None:
        self.url, self.page, self.number, self.frames = url, page, number, frames
        self.turns: list[Turn] = []
        self._random = random.Random(number)

    def work_until(self, ends: float) -> None:
        """Press Animate again and again."""
        self._open()
        while time.monotonic() < ends:
            turn = Turn(self.number, time.monotonic())
            self.turns.append(turn)
            try:
                turn.outcome = self._animate(turn)
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                turn.outcome = f"{type(error).__name__}: {error}"[:300]
            turn.ended = time.monotonic()
            if turn.outcome == "left":
                self._heartbeat.close()
                self._open()
            time.sleep(self._random.uniform(0.2, 2))
        self._heartbeat.close()

    def _open(self) -> None:
        """A page: its session, the connection by whose end the server knows that it was closed, and the uploads."""
        self._session = uuid.uuid4().hex[:12]
        self._heartbeat = connected(self.url)
        self._heartbeat.request("GET", f"{API}/heartbeat/{self._session}")
        self._heartbeat.getresponse()
        buffer = io.BytesIO()
        Image.open(MEDIA / "source.png").convert("RGB").save(buffer, "JPEG", quality=70 + self.number)
        self._photo = self._uploaded(f"me{self.number}.jpg", buffer.getvalue())
        self._clip = self._uploaded(f"clip{self.number}.mp4", (MEDIA / "driving.mp4").read_bytes())

    def _uploaded(self, name: str, content: bytes) -> dict[str, Any]:
        head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
        kind = "multipart/form-data; boundary=x"
        (path,) = json.loads(asked(self.url, "POST", f"{API}/upload", head + content + b"\r\n--x--\r\n", kind))
        return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def _animate(self, turn: Turn) -> str:
        """One run to its end, or until the page is closed in the middle."""
        values = list(self.page.values)
        values[self.page.places["animate-source"]] = self._photo
        values[self.page.places["animate-driving"]] = self._clip
        values[self.page.places["frames"]] = self.frames
        body = {"data": values, "fn_index": self.page.function, "session_hash": self._session}
        leaves = self._random.random() < SHARE_OF_LEAVERS
        event = json.loads(asked(self.url, "POST", f"{API}/queue/join", json.dumps(body).encode()))["event_id"]
        for message in self._messages():
            if message.get("event_id") != event:
                continue
            if message["msg"] == "process_starts":
                turn.began = time.monotonic()
            elif message["msg"] == "process_generating" and leaves:
                return "left"
            elif message["msg"] == "process_completed":
                return self._looked_at(message)
        return "lost"

    def _messages(self) -> Iterator[dict[str, Any]]:
        connection = connected(self.url)
        connection.request("GET", f"{API}/queue/data?session_hash={self._session}")
        try:
            for line in connection.getresponse():
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))
        finally:
            connection.close()

    def _looked_at(self, message: dict[str, Any]) -> str:
        """Fetch both videos and count their frames."""
        if not message["success"]:
            return f"error: {message['output']}"[:300]
        for place in (self.page.side, self.page.full):
            video = message["output"]["data"][place]
            video = video.get("value", video)
            video = video.get("video", video)
            content = asked(self.url, "GET", f"{API}/file={video['path']}")
            with av.open(io.BytesIO(content)) as container:
                if sum(1 for _ in container.decode(video=0)) != self.frames:
                    return "lost"
        return "done"


if __name__ == "__main__":
    main()
