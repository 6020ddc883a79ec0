"""What a browser tab does with a ComfyUI server: queue API-format workflows, follow their events, read the results."""

import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import websocket
from comfyui_process import ServerProcess

ENDINGS = {
    "execution_success": "success",
    "execution_error": "error",
    "execution_interrupted": "interrupted",
}
PREVIEW_FRAMES = (1, 4)  # binary message types: preview image, preview image with metadata


class WorkflowRejectedError(Exception):
    """The server rejected a workflow before running it; `node_errors` maps node ids to their messages."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.node_errors = {
            node: [f"{error['message']}: {error['details']}" for error in found["errors"]]
            for node, found in (body.get("node_errors") or {}).items()
        }
        super().__init__(f"{body.get('error')} {self.node_errors}")


@dataclass
class Run:
    """What one queued workflow did so far. `status`: running, success, error or interrupted."""

    prompt_id: str
    status: str = "running"
    executed: list[str] = field(default_factory=list)  # node ids in the order they ran
    cached: list[str] = field(default_factory=list)  # node ids whose kept result was used
    progress: dict[str, list[float]] = field(default_factory=dict)  # node id -> shares done, 0 to 1
    previews: int = 0  # images sent while running
    error: dict[str, Any] | None = None  # the server's execution_error or execution_interrupted event
    outputs: dict[str, dict[str, list]] = field(default_factory=dict)  # node id -> what it shows
    seconds: float = 0.0  # from queueing to the end, or since the start of the run for queued ones
    files: dict[str, list[Path]] = field(default_factory=dict)  # node id -> saved and preview files


class ComfyUIClient:
    """One browser tab, as it were: HTTP calls and one websocket whose events a thread sorts into runs."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.client_id = uuid.uuid4().hex
        self.runs: dict[str, Run] = {}
        self.current: Run | None = None
        self.changed = threading.Condition()
        self.socket = websocket.create_connection(
            f"{server.url.replace('http', 'ws', 1)}/ws?clientId={self.client_id}", timeout=None
        )
        # Previews with metadata go only to clients that announce they understand them.
        self.socket.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def get(self, path: str) -> Any:
        """The JSON answer to a GET request, such as `/object_info`."""
        with urllib.request.urlopen(self.server.url + path, timeout=300) as answer:
            return json.load(answer)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answer to a POST request, None if the server says nothing."""
        request = urllib.request.Request(
            self.server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=300) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def object_info(self) -> dict[str, Any]:
        """Every node's definition by id, as the browser gets it."""
        return self.get("/object_info")

    def queue(self, workflow: dict[str, Any]) -> str:
        """Queue an API-format workflow and return its prompt id.

        Raises:
            WorkflowRejectedError: if any node of it does not pass the server's validation.
        """
        try:
            answer = self.post("/prompt", {"prompt": workflow, "client_id": self.client_id})
        except urllib.error.HTTPError as error:
            raise WorkflowRejectedError(json.load(error)) from None
        if answer["node_errors"]:  # other outputs of the workflow were valid and now run
            raise WorkflowRejectedError(answer)
        with self.changed:  # its first events may have come already
            return self.runs.setdefault(answer["prompt_id"], Run(answer["prompt_id"])).prompt_id

    def wait(self, prompt_id: str, timeout: float = 300) -> Run:
        """Wait for the end of a queued workflow, whatever it is.

        Raises:
            TimeoutError: if it did not end; the message holds the end of the server's log.
        """
        run = self.runs[prompt_id]
        with self.changed:
            if not self.changed.wait_for(lambda: run.status != "running", timeout):
                raise TimeoutError(f"{run} did not end within {timeout} s; log:\n{self.server.log()[-3000:]}")
        run.outputs = self._history(prompt_id)["outputs"]
        run.files = {node: files for node, shown in run.outputs.items() if (files := self._files(shown))}
        return run

    def run(self, workflow: dict[str, Any], timeout: float = 300) -> Run:
        """Queue a workflow and wait for its end."""
        start = time.monotonic()
        run = self.wait(self.queue(workflow), timeout)
        run.seconds = time.monotonic() - start
        return run

    def wait_for(self, condition, timeout: float = 300) -> None:
        """Wait until `condition()` holds, looking again at each event."""
        with self.changed:
            if not self.changed.wait_for(condition, timeout):
                raise TimeoutError(f"not within {timeout} s; log:\n{self.server.log()[-3000:]}")

    def interrupt(self) -> None:
        """Press Cancel."""
        self.post("/interrupt", {})

    def free(self) -> None:
        """Press Unload Models and free the cache, and wait for it.

        The server does so between two runs: a run that is queued before it has looked would come first, so one is.
        """
        self.post("/free", {"unload_models": True, "free_memory": True})
        size = {"width": 16, "height": 16, "batch_size": 1, "color": 0}
        blank = {"class_type": "EmptyImage", "inputs": size}
        self.run({"blank": blank, "show": {"class_type": "PreviewImage", "inputs": {"images": ["blank", 0]}}})

    def _history(self, prompt_id: str) -> dict[str, Any]:
        for _ in range(100):  # the entry is written just after the last event
            if entry := self.get(f"/history/{prompt_id}").get(prompt_id):
                return entry
            time.sleep(0.05)
        raise TimeoutError(f"no history of {prompt_id}")

    def _files(self, shown: dict[str, list]) -> list[Path]:
        """Files that a node's outputs name; they lie in the server's own folders."""
        found = [item for items in shown.values() for item in items if isinstance(item, dict) and "filename" in item]
        return [self.server.base / item["type"] / item.get("subfolder", "") / item["filename"] for item in found]

    def _listen(self) -> None:
        while True:
            try:
                message = self.socket.recv()
            except (websocket.WebSocketException, OSError):
                return
            if not message:  # hung up
                return
            with self.changed:
                if isinstance(message, str):
                    self._take(json.loads(message))
                elif self.current and int.from_bytes(message[:4], "big") in PREVIEW_FRAMES:
                    self.current.previews += 1
                self.changed.notify_all()

    def _take(self, event: dict[str, Any]) -> None:
        kind, data = event["type"], event.get("data") or {}
        if "prompt_id" not in data:
            return
        run = self.current = self.runs.setdefault(data["prompt_id"], Run(data["prompt_id"]))
        if kind == "executing" and data.get("node"):
            run.executed.append(data["node"])
        elif kind == "execution_cached":
            run.cached += data["nodes"]
        elif kind == "progress":
            run.progress.setdefault(data["node"], []).append(data["value"] / data["max"])
        elif kind in ENDINGS:
            run.error = None if kind == "execution_success" else data
            run.status = ENDINGS[kind]
