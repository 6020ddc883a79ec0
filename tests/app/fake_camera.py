"""A camera for Chromium that shows a clip: a motion JPEG file, and the flags that make the browser play it."""

from itertools import islice
from pathlib import Path

import av
import numpy as np
from browser import FLAGS, chromium_path
from running_app import DEMO_MEDIA

CLIP = DEMO_MEDIA / "photo_driving.mp4"
SIZE = (480, 640)
FRAMES = 50


def write_camera_file(path: Path, clip: Path = CLIP, frames: int = FRAMES) -> Path:
    """The clip in the middle of a webcam's image, forward and backward so that it loops without a jump."""
    with av.open(str(clip)) as container:
        images = [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), frames)]
    with av.open(str(path), "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=25)
        (stream.height, stream.width), stream.pix_fmt = SIZE, "yuvj420p"
        stream.options = {"qmin": "2", "qmax": "4"}
        for image in images + images[::-1]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_framed(image), format="rgb24")))
        container.mux(stream.encode())
    return path


def camera_flags(path: Path) -> list[str]:
    """Flags of a Chromium whose only camera is the file, and which asks nobody for leave."""
    return [
        *FLAGS,
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={path}",
    ]


def launch_with_camera(driver, path: Path):
    """playwright's Browser with that camera."""
    return driver.chromium.launch(executable_path=chromium_path(), headless=True, args=camera_flags(path))


def _framed(image: np.ndarray) -> np.ndarray:
    height, width = SIZE
    canvas = np.full((height, width, 3), 110, dtype=np.uint8)
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas
