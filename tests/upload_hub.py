"""A small Hub on this machine: takes a repository and commits of files, as huggingface_hub sends them."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class HubServer(ThreadingHTTPServer):
    """Keeps what arrives.

    Attributes:
        repositories: name -> what was asked for when it was made.
        files: path -> bytes of the last commit of each file.
        status: answers commits with this error instead, where it is not 200.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, dict] = {}
        self.files: dict[str, bytes] = {}
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: HubServer

    def do_GET(self) -> None:
        if "Bearer" not in (self.headers["Authorization"] or ""):
            self.send_error(401)
        else:
            self._answer({"type": "user", "name": "tester", "id": "1"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.split("?")[0]
        if "Bearer" not in (self.headers["Authorization"] or ""):
            self.send_error(401)
        elif path.endswith("/repos/create"):
            asked = json.loads(body)
            name = "/".join(filter(None, [asked.get("organization"), asked["name"]]))
            self.server.repositories[name] = asked
            self._answer({"url": f"{self.server.url}/{name}", "name": name, "id": "1"})
        elif "/preupload/" in path:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                for file in json.loads(body)["files"]
            ]
            self._answer({"files": files, "commitOid": "0" * 40})
        elif "/commit/" in path and self.server.status == 200:
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    self.server.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            repository = path.removeprefix("/api/models/").split("/commit/")[0]
            url = f"{self.server.url}/{repository}/commit/{'1' * 40}"
            self._answer({"success": True, "commitOid": "1" * 40, "commitUrl": url, "hookOutput": ""})
        elif "/commit/" in path:
            self.send_error(self.server.status)
        else:
            self._answer({"warnings": [], "errors": []})  # the card's front matter

    def _answer(self, content: dict) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving_hub() -> Iterator[HubServer]:
    """The server, running in a thread of its own."""
    with HubServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
