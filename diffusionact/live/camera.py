"""Cameras, read by PyAV in a thread of their own that keeps the newest frame only; a video file serves as one too.

Who is slower than the camera gets fewer frames, never older ones.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import av
import torch
from torch import Tensor

from ..video import FrameSource, open_frames

# What FFmpeg calls the cameras of each system, and the name of the camera with a number.
DEVICE_FORMATS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}:none"), "win32": ("dshow", "{}")}
# Enough for a face, and quick to decode; a camera that cannot do it chooses by itself.
WISHES = {"video_size": "640x480", "framerate": "30"}
ENDING_S = 5.0


@dataclass(frozen=True)
class CameraFrame:
    """One frame.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        captured_at: `time.perf_counter()` when it came.
        index: counted from 0, with those that nobody took.
    """

    image: Tensor
    captured_at: float
    index: int


class Camera(ABC):
    """Newest frames of a camera, between the beginning and the end of a `with` block.

    Attributes:
        name: for people.
        read: frames that came so far.
        taken: frames that `latest` handed out; the others were dropped.
    """

    def __init__(self, name: str):
        self.name = name
        self.read = self.taken = 0
        self._news = threading.Condition()
        self._frame: CameraFrame | None = None
        self._has_ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def __enter__(self) -> Camera:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading; whoever waits for a frame gets None."""
        with self._news:
            self._has_ended = True
            self._news.notify_all()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(ENDING_S)

    def latest(self) -> CameraFrame | None:
        """Wait for a frame that was not handed out yet, and take the newest; None when there will be none.

        Raises:
            ValueError: if the file is damaged.
            OSError: if the camera fails.
        """
        with self._news:
            self._news.wait_for(lambda: self._frame is not None or self._has_ended)
            frame, self._frame = self._frame, None
            if frame is not None:
                self.taken += 1
            elif self._error is not None:
                raise self._error
            return frame

    @abstractmethod
    def _frames(self) -> Iterator[Tensor]:
        """Yield (H, W, 3) uint8 frames when they are due."""

    def _run(self) -> None:
        try:
            for image in self._frames():
                with self._news:
                    if self._has_ended:
                        return
                    self._frame = CameraFrame(image, time.perf_counter(), self.read)
                    self.read += 1
                    self._news.notify_all()
        except (ValueError, OSError) as error:  # raised again where frames are taken
            self._error = error
        finally:
            with self._news:
                self._has_ended = True
                self._news.notify_all()

    def _wait_until(self, due: float) -> None:
        """Sleep, but not beyond the end."""
        with self._news:
            self._news.wait_for(lambda: self._has_ended, timeout=max(0.0, due - time.perf_counter()))


class FileCamera(Camera):
    """A video file, animated image or folder of images, played at its own rate.

    Args:
        source: from `open_frames`.
        loop: begin again at the end.
    """

    def __init__(self, source: FrameSource, loop: bool = False):
        super().__init__(source.path.name)
        self._source, self._loop = source, loop

    def _frames(self) -> Iterator[Tensor]:
        period, due = 1.0 / float(self._source.frame_rate), time.perf_counter()
        while not self._has_ended:
            for frame in self._source:
                self._wait_until(due)
                yield frame
                # Who decodes too slowly plays slower; nothing is made up for.
                due = max(due + period, time.perf_counter() - period)
            if not self._loop:
                self._wait_until(due)
                return


class DeviceCamera(Camera):
    """A camera of the machine.

    Args:
        device_format: FFmpeg's name for its kind, such as "v4l2".
        device: its name there, such as "/dev/video0".

    Raises:
        ValueError: if FFmpeg knows no such kind.
        OSError: if it does not open.
    """

    def __init__(self, device_format: str, device: str):
        super().__init__(device)
        self._container = _open_device(device_format, device)

    def _frames(self) -> Iterator[Tensor]:
        try:
            for frame in self._container.decode(video=0):
                yield torch.from_numpy(frame.to_ndarray(format="rgb24"))
        except av.FFmpegError as error:
            raise OSError(
                f"Expected frames from the camera {self.name!r}, received: {error.strerror}. Check its cable, and that "
                f"no other program uses it."
            ) from error
        finally:
            self._container.close()


def open_camera(name: str, loop: bool = False) -> Camera:
    """A camera by its name.

    Args:
        name: a number (0 is the first camera), /dev/videoN, FORMAT:NAME as FFmpeg knows it (dshow:video=Webcam,
            avfoundation:0, v4l2:/dev/video2), or a video file, animated image or folder of images.
        loop: a file begins again at its end.

    Raises:
        FileNotFoundError: if there is no such camera or file.
        ValueError: if the file cannot be read, or the name says nothing on this system.
        OSError: if the camera does not open.
    """
    if name.isdecimal():
        return DeviceCamera(*_numbered(name))
    if re.fullmatch(r"/dev/video\d+", name):
        return DeviceCamera("v4l2", name)
    kind, colon, device = name.partition(":")
    if colon and re.fullmatch(r"[a-z0-9]{2,}", kind) and not Path(name).exists():
        return DeviceCamera(kind, device)
    if not Path(name).exists():
        raise FileNotFoundError(
            f"Expected a camera (a number, /dev/videoN or FORMAT:NAME) or a video file, received {name!r} where "
            "nothing lies. Check the name."
        )
    return FileCamera(open_frames(name), loop)


def _numbered(number: str) -> tuple[str, str]:
    if sys.platform == "win32":
        raise ValueError(
            f"Expected the name of a camera, received {number!r}; Windows does not number them. Give --camera "
            '"dshow:video=NAME" with the name that the device manager shows.'
        )
    kind, pattern = DEVICE_FORMATS.get(sys.platform, DEVICE_FORMATS["linux"])
    return kind, pattern.format(number)


def _open_device(kind: str, device: str) -> av.container.InputContainer:
    if device.startswith("/") and not os.path.exists(device):
        raise FileNotFoundError(
            f"Expected a camera at {device!r}, received a machine without it. Plug it in, choose another one, or "
            "give a video file."
        )
    wishes = WISHES if kind != "lavfi" else {}
    for options in (wishes, {}) if wishes else ({},):
        try:
            return av.open(device, format=kind, options=options)
        except av.FFmpegError as error:
            failure = error
        except ValueError as error:
            raise ValueError(
                f"Expected a kind of camera that this FFmpeg knows, received {kind!r} ({error}). Use the app's Live "
                "tab, where the browser reads the camera, or a video file."
            ) from error
    raise OSError(
        f"Expected the camera {device!r} to open, received: {failure.strerror}. Check that it is plugged in, that you "
        "may use it, and that no other program does."
    ) from failure
