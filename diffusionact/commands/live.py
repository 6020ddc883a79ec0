"""`diffusionact live`: a photo moves as a camera sees it, on a page of this machine, and in a file where wanted."""

from __future__ import annotations

import argparse
import logging
import time
import webbrowser
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from ..checks import check_in_range
from ..generation import Sampling
from ..images import model_to_uint8
from ..live import (
    SIZES,
    Camera,
    LiveFrame,
    LiveOptions,
    LiveRecorder,
    LiveReenactment,
    Pace,
    live_pipeline,
    open_camera,
)
from ..video.writing import OPAQUE_FORMATS
from .live_page import LivePage, encode_jpeg
from .loading import load_pipeline, load_source, prepare_output
from .option_groups import add_model_options, add_source_options

logger = logging.getLogger(__name__)

# Width of the camera's image on the page, pixels.
CAMERA_PX = 320


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("photo", type=Path, help="source image, or a source saved by `diffusionact encode`")
    add_model_options(parser)
    add_source_options(parser)
    group = parser.add_argument_group("camera")
    group.add_argument(
        "--camera", default="0", help="a number, /dev/videoN, FORMAT:NAME as FFmpeg knows it, or a video"
    )
    group.add_argument("--loop", action="store_true", help="a video as the camera begins again at its end")
    group.add_argument("--mirror", action="store_true", help="mirror the camera, as a looking glass does")
    group = parser.add_argument_group("motion")
    group.add_argument("--calibrate", action="store_true", help="take the first face as neutral, without a press")
    group.add_argument("--gain", type=float, default=1.0, help="factor on the expression, 0 to 3")
    group.add_argument("--smoothing", type=float, default=0.3, help="0 off to 1 strong, with more delay")
    group = parser.add_argument_group("output")
    group.add_argument("--size", type=int, default=256, choices=SIZES, help="side of the image, pixels (%(default)s)")
    group.add_argument("--record", type=Path, help="also write OUT.mp4, .mov or .mkv, until the end")
    group.add_argument("--port", type=int, default=0, help="of the page (default: a free one)")
    group.add_argument("--no-browser", action="store_true", help="do not open the page")
    group.add_argument("--steps", type=int, help="DDIM steps per frame, of models that sample: slow")
    group.add_argument("--scheduler", default="ddim", help="sampler of such models")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Move `options.photo` until the camera ends, somebody presses Stop, or Ctrl-C.

    Raises:
        ValueError: for an unusable photo, camera or option.
        FileNotFoundError: for missing files, cameras or weights.
        OSError: if the camera does not open, or a file cannot be written.
    """
    how = _check(options)
    camera = open_camera(options.camera, options.loop)
    pipeline = live_pipeline(load_pipeline(options), options.size)
    source, _, _ = load_source(pipeline, options.photo, options)
    if pipeline.sample_size != options.size:
        logger.info("This model draws %d px a side, and takes its time: the photo follows slowly", pipeline.sample_size)
    live = LiveReenactment(pipeline, source, how)
    if options.calibrate:
        live.calibrate()
    with ExitStack() as stack:
        page = stack.enter_context(LivePage(options.port))
        recorder = LiveRecorder(options.record) if options.record else None
        if recorder is not None:
            stack.callback(recorder.discard)
        stack.enter_context(camera)
        logger.info("The page is at %s; Ctrl-C ends", page.address)
        if not options.no_browser:
            webbrowser.open(page.address)
        show = _Show(page, recorder, options.mirror)
        with suppress(KeyboardInterrupt):
            show.run(live, camera)
        show.finish(camera)


def _check(options: argparse.Namespace) -> LiveOptions:
    if options.record:
        prepare_output(options.record, OPAQUE_FORMATS, (options.photo,))
    check_in_range("--port", options.port, 0, 65535)
    check_in_range("--smoothing", options.smoothing, 0.0, 1.0)
    check_in_range("--gain", options.gain, 0.0, 3.0)
    if options.steps is not None:
        check_in_range("--steps", options.steps, 1, 999)
    return LiveOptions(options.smoothing, options.gain, Sampling(options.steps, options.scheduler))


class _Show:
    """Brings frames to the page and the file."""

    def __init__(self, page: LivePage, recorder: LiveRecorder | None, is_mirrored: bool):
        self.page, self.recorder, self.is_mirrored = page, recorder, is_mirrored
        self.pace = Pace()
        self.frames = self.without_face = 0
        self.delays = 0.0
        self.began_at = time.perf_counter()

    def run(self, live: LiveReenactment, camera: Camera) -> None:
        """Frame after frame; those that come meanwhile are dropped."""
        while not self.page.take_order("stop") and (frame := camera.latest()) is not None:
            if self.page.take_order("calibrate"):
                live.calibrate()
            image = frame.image.flip(1) if self.is_mirrored else frame.image
            self._show(live.step(image, frame.captured_at), image)

    def _show(self, result: LiveFrame, seen: Tensor) -> None:
        shown = model_to_uint8(result.image)[0].cpu()
        step = max(1, seen.shape[1] // CAMERA_PX)
        images = {"result": encode_jpeg(shown), "camera": encode_jpeg(seen[::step, ::step].contiguous())}
        now = time.perf_counter()
        delay = now - result.captured_at
        self.pace.count(now, delay)
        self.page.show(images, self._status(result))
        if self.recorder is not None:
            self.recorder.write(shown, now)
        self.frames += 1
        self.without_face += int(not result.found)
        self.delays += delay

    def _status(self, result: LiveFrame) -> dict[str, Any]:
        rate, delay = self.pace.frames_per_second, self.pace.delay
        parts = [f"{rate:.1f} frames/s", f"{1000 * delay:.0f} ms delay"]
        parts.append("calibrated" if result.is_calibrated else "not calibrated")
        if not result.found:
            parts.append("no face: the last image is held")
        if self.recorder is not None:
            parts.append(f"recording {self.recorder.seconds:.0f} s")
        return {
            "text": " · ".join(parts),
            "frames_per_second": rate,
            "delay_ms": 1000 * delay,
            "found": result.found,
            "is_calibrated": result.is_calibrated,
        }

    def finish(self, camera: Camera) -> None:
        """Close the recording and say how it went."""
        seconds, count = time.perf_counter() - self.began_at, self.frames
        if not count:
            raise ValueError(f"Expected frames from the camera {camera.name!r}, received none. Choose another camera.")
        logger.info(
            "%d frames in %.1f s (%.1f frames/s, %.0f ms delay), %d of the camera dropped, %d without a face",
            count, seconds, count / seconds, 1000 * self.delays / count, camera.read - camera.taken, self.without_face,
        )  # fmt: skip
        path = self.recorder.close() if self.recorder is not None else None
        if path is not None:
            logger.info("Recorded into %s", path)
