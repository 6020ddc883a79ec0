"""Calls of a running app with forged bodies, as the doors of `fuzz_doors` are tried."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from itertools import islice
from pathlib import Path
from typing import Any

from guarded import end_with_us

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "app")]
TIMEOUT_S = 50


class CallError(Exception):
    """The app's answer to a call that it rejected."""


def short_clip(source: Path, target: Path, frames: int = 6) -> Path:
    """The beginning of a clip: however many frames a body asks for, there are no more."""
    from diffusionact.video import VideoWriter, open_frames

    clip = open_frames(source)
    with VideoWriter(target, clip.frame_rate, clip.size) as writer:
        for frame in islice(clip, frames):
            writer.write(frame)
    return target


class RunningCalls:
    """An app with the tiny model, and two calls of its API that are in order.

    Attributes:
        bodies: name of a call -> its JSON.
    """

    def __init__(self, folder: Path) -> None:
        from running_app import DEMO_MEDIA, start_app
        from tiny_model import make_tiny_model

        folder.mkdir(exist_ok=True)
        self._process, self.app = start_app(make_tiny_model(folder / "model"), folder, started=end_with_us)
        clip = short_clip(DEMO_MEDIA / "driving.mp4", folder / "driving.mp4")
        source, driving = self._uploaded(DEMO_MEDIA / "source.png"), self._uploaded(clip)
        self.bodies = {
            "animate": {"data": [source, driving, "fast", 1, False]},
            "edit": {"data": [source, {"smile": 0.8, "yaw": 10}]},
        }

    def _uploaded(self, path: Path) -> dict[str, Any]:
        head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'.encode()
        body = head + path.read_bytes() + b"\r\n--x--\r\n"
        answer = self._ask("/gradio_api/upload", body, "multipart/form-data; boundary=x")
        return {"path": json.loads(answer)[0], "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}

    def _ask(self, path: str, body: bytes | None = None, kind: str = "application/json") -> str:
        request = urllib.request.Request(self.app.url + path, body, {"Content-Type": kind} if body else {})
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return answer.read().decode()

    def post(self, file: Path) -> None:
        """Send the body in a file to the call that it is named after, and wait for its end.

        Raises:
            CallError: with the app's words, or its status, if it rejects the call.
            RuntimeError: if the app answers with an error of its own, shows folders, or is gone.
        """
        name = file.name.partition(".")[0]
        try:
            event = json.loads(self._ask(f"/gradio_api/call/{name}", file.read_bytes()))["event_id"]
            answer = self._ask(f"/gradio_api/call/{name}/{event}")
        except urllib.error.HTTPError as error:
            words = error.read().decode(errors="replace")
            # FastAPI cannot repeat NaN and Infinity in its own answer to a body that is no call.
            has_nan = any(word in file.read_bytes() for word in (b"NaN", b"Infinity"))
            is_frameworks = words == "Internal Server Error" and has_nan
            if error.code >= 500 and not is_frameworks:
                raise RuntimeError(f"{error.code}: {words}") from error
            raise CallError(f"Expected another body: {error.code} {words}") from error
        finally:
            if self._process.poll() is not None:
                raise RuntimeError("the app is gone")
        if "event: error" in answer:
            self._judge(answer)

    def _judge(self, answer: str) -> None:
        is_echo = "is not in the list of choices" in answer  # gradio repeats what was sent
        if "inside the app" in answer or "Traceback" in answer or (str(self.app.files) in answer and not is_echo):
            raise RuntimeError(answer)
        # Values that no page sends are turned away by gradio, before our code, without words.
        wordless = "data: null" in answer or '"error": null' in answer
        raise CallError("Expected values as the page sends them" if wordless else answer)
