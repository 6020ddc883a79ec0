"""What the person who starts the app decides: model, device, address and limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from diffusionact.weights import PHOTO_NAME


@dataclass(frozen=True)
class Limits:
    """What one visitor may ask for.

    Attributes:
        upload_mb: largest upload, megabytes.
        image_megapixels: largest source image.
        video_side_px: longest side of a driving frame.
        frames: most frames of one video.
        seconds: longest estimated run, seconds.
        batch_sources: most sources of one batch.
        group_faces: most faces of one photo or clip that can be given a driver.
        queue: jobs that may wait; further ones are turned away.
        at_once: jobs that run together.
        output_side_px: longest side of the full-frame output; larger sources are shrunk for it.
        live_seconds: longest live session, and longest recording of it, seconds.
        live_at_once: visitors whose cameras run together.
        keep_seconds: age at which files of visitors are removed while the app runs.
    """

    upload_mb: int = 64
    image_megapixels: int = 64
    video_side_px: int = 4096
    frames: int = 750
    seconds: int = 1800
    batch_sources: int = 12
    group_faces: int = 12
    queue: int = 16
    at_once: int = 2
    output_side_px: int = 1280
    live_seconds: int = 600
    live_at_once: int = 2
    keep_seconds: int = 3600


@dataclass(frozen=True)
class AppSettings:
    """How the app is started.

    Attributes:
        model: "photo", "demo", a model folder, or a Hub id.
        device: "auto", "cpu", "cuda", "mps", ...
        face_reader: name of what reads the faces.
        host, port: address to listen on; None leaves them to GRADIO_SERVER_NAME and GRADIO_SERVER_PORT.
        root_path: path under which a proxy serves the app, such as "/faces"; None leaves it to GRADIO_ROOT_PATH.
        open_browser: open the page at start.
        threads: threads of torch; None keeps OMP_NUM_THREADS, or takes half of the processors.
        files: folder for uploads and results; None makes one that is removed at the end.
        limits: see `Limits`.
    """

    model: str = PHOTO_NAME
    device: str = "auto"
    face_reader: str = "open"
    host: str | None = None
    port: int | None = None
    root_path: str | None = None
    open_browser: bool = False
    threads: int | None = None
    files: Path | None = None
    limits: Limits = field(default_factory=Limits)
