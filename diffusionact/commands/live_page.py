"""The page of `diffusionact live`: a tiny server on this machine that shows images as they come, as motion JPEG.

A browser is on every machine, while a window would need a toolkit; the same address is a browser source for OBS and the
like. It answers this machine only, under its own name, and takes orders from its own page only.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from PIL import Image
from torch import Tensor

from ..images import PROVENANCE

HOST = "127.0.0.1"
PAGE = Path(__file__).with_name("live_page.html")
QUALITY = 85
BOUNDARY = "frame"
ORDERS = ("calibrate", "stop")
# A browser that went to sleep is noticed when it is written to.
REPEAT_S = 2.0


def encode_jpeg(image: Tensor) -> bytes:
    """A frame uint8 (H, W, 3) as JPEG, with the note that it was generated."""
    buffer = io.BytesIO()
    Image.fromarray(image.cpu().numpy()).save(buffer, "JPEG", quality=QUALITY, comment=PROVENANCE)
    return buffer.getvalue()


class LivePage:
    """Serves the page within a `with` block.

    Args:
        port: 0 chooses a free one.

    Raises:
        OSError: if the port is taken.
    """

    def __init__(self, port: int = 0):
        self._news = threading.Condition()
        self._images: dict[str, bytes] = {}
        self._count = 0
        self._is_open = True
        self._status: Mapping[str, Any] = {}
        self._orders: set[str] = set()
        try:
            self._server = ThreadingHTTPServer((HOST, port), _handler(self))
        except OSError as error:
            raise OSError(
                f"Expected a free port for the page, received {port}, which is taken ({error.strerror}). Choose "
                "another --port."
            ) from error
        self._server.daemon_threads = True
        self.address = f"http://{HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> LivePage:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._news:
            self._is_open = False
            self._news.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def show(self, images: Mapping[str, bytes], status: Mapping[str, Any]) -> None:
        """Show JPEG images by name, and what the page's status line is made of."""
        with self._news:
            self._images |= images
            self._status = status
            self._count += 1
            self._news.notify_all()

    def take_order(self, order: str) -> bool:
        """Whether somebody pressed a button, one of ORDERS, since this was asked last."""
        with self._news:
            is_given = order in self._orders
            self._orders.discard(order)
            return is_given

    def give_order(self, order: str) -> None:
        """Press a button."""
        with self._news:
            self._orders.add(order)

    @property
    def status(self) -> Mapping[str, Any]:
        """As shown last."""
        with self._news:
            return self._status

    def next_image(self, name: str, seen: int) -> tuple[bytes | None, int] | None:
        """The image that came after `seen` others, None for none yet, and its count; None at the end."""
        with self._news:
            self._news.wait_for(lambda: self._count > seen or not self._is_open, timeout=REPEAT_S)
            return (self._images.get(name), self._count) if self._is_open else None


def _handler(page: LivePage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self._is_for_us():
                self._answer(403, b"")
            elif self.path == "/":
                self._answer(200, PAGE.read_bytes(), "text/html; charset=utf-8")
            elif self.path == "/status":
                self._answer(200, json.dumps(page.status).encode(), "application/json")
            elif self.path in ("/result.mjpg", "/camera.mjpg"):
                self._stream(self.path[1:].removesuffix(".mjpg"))
            else:
                self._answer(404, b"")

        def do_POST(self) -> None:
            origin = self.headers.get("Origin")
            is_ours = self._is_for_us() and origin in (None, f"http://{self.headers['Host']}")
            if not is_ours or self.path[1:] not in ORDERS:
                self._answer(403 if not is_ours else 404, b"")
                return
            page.give_order(self.path[1:])
            self._answer(200, b"{}", "application/json")

        def log_message(self, *_: object) -> None:
            """Requests are nobody's business."""

        def _is_for_us(self) -> bool:
            """Another name of this address is another site that would look into the camera."""
            port = self.server.server_address[1]
            return self.headers.get("Host") in (f"{HOST}:{port}", f"localhost:{port}")

        def _answer(self, code: int, body: bytes, kind: str = "text/plain") -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, name: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            seen = 0
            try:
                while (news := page.next_image(name, seen)) is not None:
                    image, seen = news
                    if image is not None:
                        head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n\r\n"
                        self.wfile.write(head.encode() + image + b"\r\n")
            except ConnectionError:  # the page was closed
                self.close_connection = True

    return Handler
