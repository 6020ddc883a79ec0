"""Visitors whose camera moves a photo: who has one, what belongs to them, and when it is let go."""

from __future__ import annotations

import base64
import io
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from diffusionact.images import PROVENANCE, model_to_uint8
from diffusionact.live import LiveFrame, LiveOptions, LiveRecorder, LiveReenactment, live_pipeline

from .sessions import Sessions
from .shared_model import SharedModel

JPEG_QUALITY = 85
# A camera that is silent for so long belongs to a page that is gone.
IDLE_S = 60.0
NO_PHOTO = "Choose a photo first."
NO_FACE = "No face in the camera: the last image is held."
CALIBRATED = "Calibrated: the photo moves as you do since then."
ABSOLUTE = "Look straight with a neutral face and press Calibrate."


@dataclass
class _Visitor:
    """One page. `live` is there while frames come."""

    photo: Path | None = None
    size: int = 256
    options: LiveOptions = field(default_factory=LiveOptions)
    live: LiveReenactment | None = None
    recorder: LiveRecorder | None = None
    seen_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def rest(self) -> Path | None:
        """Forget everything but the choices; the finished recording, where one was being made."""
        recorder, self.live, self.recorder = self.recorder, None, None
        return recorder.close() if recorder is not None else None


class LiveSessions:
    """Live reenactment of all visitors; calls of one visitor take turns.

    Args:
        model: encodes the photos; its engine renders at another size where it can.
        sessions: folders for recordings.
        max_seconds: longest recording.
    """

    def __init__(self, model: SharedModel, sessions: Sessions, max_seconds: float):
        self.model, self.sessions, self.max_seconds = model, sessions, max_seconds
        self._visitors: dict[str, _Visitor] = {}
        self._lock = threading.Lock()

    def choose(self, session: str, photo: Path | None, size: int, smoothing: float) -> None:
        """Move this photo from the next frame on.

        Raises:
            NoFaceFoundError: if the photo shows no face.
            ValueError: if it is no image, or a value is out of range.
        """
        options = LiveOptions(smoothing, sampling=self.model.quickest_sampling)
        if photo is not None:
            self.model.encode(photo)  # kept there, so that the first frame need not wait
        visitor = self._visitor(session)
        with visitor.lock:
            visitor.photo, visitor.size, visitor.options, visitor.live = photo, size, options, None

    def step(self, session: str, frame: Tensor) -> dict[str, Any]:
        """Render for a camera frame uint8 (H, W, 3).

        Returns:
            "src", the image as a data address, None without a photo; "note"; "milliseconds" since its camera frame
            came; "recorded", seconds of the recording, None without one.
        """
        arrived_at = time.perf_counter()
        visitor = self._visitor(session)
        with visitor.lock:
            visitor.seen_at = arrived_at
            if visitor.photo is None:
                return {"src": None, "note": NO_PHOTO, "milliseconds": 0, "recorded": None}
            if visitor.live is None:
                visitor.live = self._begin(visitor)
            result = visitor.live.step(frame, arrived_at)
            image = model_to_uint8(result.image)[0].cpu()
            recorded = self._record(visitor, image)
        src = _data_address(image)
        milliseconds = 1000 * (time.perf_counter() - result.captured_at)
        return {"src": src, "note": _note(result), "milliseconds": milliseconds, "recorded": recorded}

    def calibrate(self, session: str) -> bool:
        """Take the next face as neutral; False while no camera runs."""
        visitor = self._visitor(session)
        with visitor.lock:
            if visitor.live is not None:
                visitor.live.calibrate()
            return visitor.live is not None

    def start_recording(self, session: str) -> bool:
        """Write what is shown from now on; False while no camera runs."""
        visitor = self._visitor(session)
        with visitor.lock:
            if visitor.live is not None and visitor.recorder is None:
                visitor.recorder = LiveRecorder(self.sessions.new_folder(session) / "live.mp4")
            return visitor.recorder is not None

    def stop_recording(self, session: str) -> Path | None:
        """Finish the recording; None where there is none."""
        visitor = self._visitor(session)
        with visitor.lock:
            recorder, visitor.recorder = visitor.recorder, None
            return recorder.close() if recorder is not None else None

    def is_recording(self, session: str) -> bool:
        """Whether frames are being written."""
        return self._visitor(session).recorder is not None

    def rest(self, session: str) -> Path | None:
        """The camera stopped: let go of what it needed; a recording is finished, its path returned."""
        with self._lock:
            visitor = self._visitors.get(session)
        if visitor is None:  # the page is gone as well
            return None
        with visitor.lock:
            return visitor.rest()

    def close(self, session: str) -> None:
        """The page is gone."""
        with self._lock:
            visitor = self._visitors.pop(session, None)
        if visitor is not None:
            with visitor.lock:
                if visitor.recorder is not None:
                    visitor.recorder.discard()
                visitor.live = visitor.recorder = None

    @property
    def running(self) -> int:
        """Visitors whose camera runs."""
        with self._lock:
            return sum(visitor.live is not None for visitor in self._visitors.values())

    def _visitor(self, session: str) -> _Visitor:
        oldest = time.perf_counter() - IDLE_S
        with self._lock:
            silent = [each for each in self._visitors.values() if each.live is not None and each.seen_at < oldest]
            visitor = self._visitors.setdefault(session, _Visitor())
        for each in silent:
            if each is not visitor and each.lock.acquire(blocking=False):
                try:
                    each.rest()
                finally:
                    each.lock.release()
        return visitor

    def _begin(self, visitor: _Visitor) -> LiveReenactment:
        source, shared = self.model.encode(visitor.photo), self.model.pipeline
        pipeline = live_pipeline(shared, visitor.size)
        # An engine of its own disturbs nobody; the one that all share works in turns.
        render = None if pipeline is not shared else partial(self.model.render, sampling=visitor.options.sampling)
        return LiveReenactment(pipeline, source, visitor.options, render)

    def _record(self, visitor: _Visitor, image: Tensor) -> float | None:
        if visitor.recorder is None:
            return None
        if visitor.recorder.seconds < self.max_seconds:
            visitor.recorder.write(image, time.perf_counter())
        return visitor.recorder.seconds


def _note(result: LiveFrame) -> str:
    if not result.found:
        return NO_FACE
    return CALIBRATED if result.is_calibrated else ABSOLUTE


def _data_address(image: Tensor) -> str:
    """An image uint8 (H, W, 3) as a JPEG inside an address, with the note that it was generated."""
    buffer = io.BytesIO()
    Image.fromarray(image.numpy()).save(buffer, "JPEG", quality=JPEG_QUALITY, comment=PROVENANCE)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def as_frame(pixels: Any) -> Tensor:
    """A camera image as gradio hands it on, (H, W, 3) uint8."""
    return torch.from_numpy(pixels)
