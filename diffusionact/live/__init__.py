"""Live reenactment: camera frames in, the photo moves at once."""

from .camera import Camera, CameraFrame, open_camera
from .pace import Pace
from .recording import LiveRecorder
from .session import SIZES, LiveFrame, LiveOptions, LiveReenactment, live_pipeline

__all__ = [
    "SIZES",
    "Camera",
    "CameraFrame",
    "LiveFrame",
    "LiveOptions",
    "LiveRecorder",
    "LiveReenactment",
    "Pace",
    "live_pipeline",
    "open_camera",
]
