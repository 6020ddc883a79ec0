"""Calls of a running app with forged bodies, as the doors of `fuzz_doors` are tried."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from guarded import end_with_us

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "app")]
TIMEOUT_S = 50


class CallError(Exception):
    """The app's answer to a call that it rejected."""


class RunningCalls:
    """An app with the tiny model, and two calls of its API that are in order.

    Attributes:
        bodies: name of a call -> its JSON.
    """

    def __init__(self, folder: Path) -> None:
        from running_app import DEMO_MEDIA, start_app
        from tiny_model import make_tiny_model

        folder.mkdir(exist_ok=True)
        process, self.app = start_app(make_tiny_model(folder / "model"), folder)
        self._process, self._watcher = process, end_with_us(process)
        source, driving = (self._uploaded(DEMO_MEDIA / name) for name in ("source.png", "driving.mp4"))
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
            if error.code >= 500:
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
