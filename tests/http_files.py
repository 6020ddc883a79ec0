"""A real HTTP server on this machine that sends one file: with ranges or without, and breaking off where told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer(ThreadingHTTPServer):
    """Sends `content` at every path.

    Attributes:
        knows_ranges: answers a request for a part with that part.
        break_after: bytes of each answer after which the connection is cut; None sends all.
        answers_left: after so many answers it hangs up without one; None never does.
        status: answers with this error instead, where it is not 200.
        requests: the Range header of each request, None where there was none.
    """

    daemon_threads = True

    def __init__(self, content: bytes):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.knows_ranges, self.break_after, self.status = content, True, None, 200
        self.answers_left: int | None = None
        self.requests: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.pth"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.requests.append(asked)
        if self.server.answers_left is not None:
            self.server.answers_left -= 1
            if self.server.answers_left < 0:
                self.close_connection = True
                return
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.knows_ranges else 0
        total = len(self.server.content)
        if start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.send_header("Content-Length", str(total - start))
        self.end_headers()
        self.wfile.write(self.server.content[start:][: self.server.break_after])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(content: bytes) -> Iterator[FileServer]:
    """The server, running in a thread of its own."""
    with FileServer(content) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
