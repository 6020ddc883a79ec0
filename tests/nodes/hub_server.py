"""A small Hugging Face Hub on this machine: one repository with a model's files, over HTTP, without any network."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REPOSITORY = "somebody/model"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """Serves a folder. `spoiled` names files of which the next so many downloads arrive with a wrong byte."""

    def __init__(self, folder: Path) -> None:
        self.files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
        self.files |= {"README.md": b"not a part of the model", "pytorch_model.bin": b"nor this"}
        self.spoiled: dict[str, int] = {}
        self.sent: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer(with_body=False)

            def do_GET(self) -> None:
                self.answer(with_body=True)

            def answer(self, with_body: bool) -> None:
                status, headers, body = hub.answer(self.path.split("?")[0], with_body)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if with_body:
                    self.wfile.write(body)

            def log_message(self, *words: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path: str, with_body: bool) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for an address."""
        if path.startswith(f"/api/models/{REPOSITORY}/tree/"):
            return (
                200,
                {"Content-Type": "application/json"},
                json.dumps([self.entry(name) for name in self.files]).encode(),
            )
        if path.startswith(f"/api/models/{REPOSITORY}"):
            siblings = [{"rfilename": name, **self.entry(name)} for name in self.files]
            about = {"id": REPOSITORY, "modelId": REPOSITORY, "sha": COMMIT, "siblings": siblings}
            return 200, {"Content-Type": "application/json"}, json.dumps(about).encode()
        name = path.removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/")
        if name not in self.files:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        body = self.files[name]
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(body).hexdigest()}"'}
        if with_body:
            self.sent.append(name)
            if self.spoiled.get(name, 0):
                self.spoiled[name] -= 1
                body = body[:-1] + bytes([body[-1] ^ 1])
        return 200, headers, body

    def entry(self, name: str) -> dict:
        """What the Hub states of a file."""
        body = self.files[name]
        digest = hashlib.sha256(body).hexdigest()
        lfs = {"oid": digest, "sha256": digest, "size": len(body), "pointerSize": 130}
        return {"type": "file", "path": name, "size": len(body), "oid": digest[:40], "blobId": digest[:40], "lfs": lfs}

    def close(self) -> None:
        """Hang up."""
        self.server.shutdown()
        self.server.server_close()
