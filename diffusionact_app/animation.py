"""One job of the Animate and Batch tabs: frames are written into two videos as they are made, and shown on the way."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffusionact import PoseOptions, SourceCodes
from diffusionact.face.geometry.alignment import compose_transforms, invert_transform
from diffusionact.face.geometry.resize import resize_transform
from diffusionact.face.paste_back import paste_back
from diffusionact.images import load_image, middle_square, model_to_uint8, resize, uint8_to_model
from diffusionact.types import CropTransform
from diffusionact.video import FrameSource, VideoWriter

from .engine import FULL, Engine, Sampler

PANEL_PX = 256
STOP_NAME = "stop"


@dataclass(frozen=True)
class AnimateJob:
    """What to render, and where to.

    Attributes:
        source: the image.
        driving: the opened clip.
        folder: where the videos go; a file named STOP_NAME in it ends the job early.
        source_face: "largest", or an index, largest first.
        options: how the driver is read.
        sampler: name and steps.
        frames: at most so many are rendered.
        feather, match_colour: see `face.composite.paste_back`.
        keep_sound: copy the driver's sound.
        output_side_px: longest side of the full-frame video.
    """

    source: Path
    driving: FrameSource
    folder: Path
    source_face: str | int = "largest"
    options: PoseOptions = field(default_factory=PoseOptions)
    sampler: Sampler = FULL
    frames: int = 10**9
    feather: float = 0.1
    match_colour: bool = False
    keep_sound: bool = True
    output_side_px: int = 1280

    @property
    def steps(self) -> int:
        """UNet calls a frame."""
        return self.sampler[1]

    @property
    def is_stopped(self) -> bool:
        """Whether the visitor asked to stop, or is gone, and the folder too."""
        return (self.folder / STOP_NAME).exists() or not self.folder.is_dir()

    @property
    def total(self) -> int:
        """Frames to expect; the cap where the clip does not say."""
        return min(self.driving.frame_count or self.frames, self.frames)


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        stage: "encoding", "rendering", "done", "stopped" or "broken".
        done, total: steps while encoding, else frames.
        seconds: since the job began.
        rendering_seconds: since the first frame was begun.
        preview: the last frame, side by side, uint8 (H, W, 3); None where there is no new one.
        full_frame, side_by_side: finished videos.
        without_face: driving frames that showed no face.
        reason: why a job broke off.
    """

    stage: str
    done: int
    total: int
    seconds: float
    rendering_seconds: float = 0.0
    preview: Tensor | None = None
    full_frame: Path | None = None
    side_by_side: Path | None = None
    without_face: int = 0
    reason: str = ""


class _Stopped(Exception):
    """The visitor asked to stop."""


def animate(engine: Engine, job: AnimateJob) -> Iterator[Progress]:
    """Render a job, telling its progress after every step of encoding and every frame.

    A clip that breaks in the middle, or is stopped, still gives videos of the frames before.

    Raises:
        ValueError: if nothing can be rendered.
    """
    started = time.perf_counter()
    try:
        source = yield from _encode(engine, job, started)
    except _Stopped:
        yield Progress("stopped", 0, job.total, time.perf_counter() - started)
        return
    rendering = time.perf_counter()
    last = Progress("rendering", 0, job.total, rendering - started)
    stage, reason = "done", ""
    with _VideoPair(job) as videos:
        try:
            for full, side, found in _compose(engine, job, source):
                videos.write(full, side)
                now = time.perf_counter()
                missing = last.without_face + int(not found)
                last = Progress(
                    "rendering", last.done + 1, job.total, now - started, now - rendering, side, without_face=missing
                )
                yield last
                if job.is_stopped:
                    stage = "stopped"
                    break
        except (ValueError, OSError) as error:
            if not last.done:
                raise
            stage, reason = "broken", str(error)
    if not last.done:
        raise ValueError("Expected a driving clip with frames, received none. Check the file.")
    engine.costs.learn_frames(last.rendering_seconds, last.done, job.steps)
    yield replace(
        last, stage=stage, reason=reason, preview=None, full_frame=videos.full_frame, side_by_side=videos.side_by_side
    )


class _VideoPair:
    """Both videos of a job, opened at the first frame; without one nothing is written."""

    def __init__(self, job: AnimateJob):
        self.job = job
        self.full_frame = job.folder / "full_frame.mp4"
        self.side_by_side = job.folder / "side_by_side.mp4"
        self._open = ExitStack()
        self._writers: list[VideoWriter] = []

    def __enter__(self) -> _VideoPair:
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def write(self, full: Tensor, side: Tensor) -> None:
        if not self._writers:
            audio = self.job.driving.path if self.job.keep_sound and self.job.driving.has_audio else None
            for path, frame in ((self.full_frame, full), (self.side_by_side, side)):
                writer = VideoWriter(path, self.job.driving.frame_rate, tuple(frame.shape[:2]), audio_from=audio)
                self._writers.append(self._open.enter_context(writer))
        for writer, frame in zip(self._writers, (full, side), strict=True):
            writer.write(frame)


def _encode(engine: Engine, job: AnimateJob, started: float) -> Iterator[Progress]:
    """Encode the source in a thread, so that its steps can be told."""

    def on_step(done: int, total: int) -> None:
        if job.is_stopped:
            raise _Stopped
        steps.put((done, total))

    steps: queue.Queue = queue.Queue()
    yield Progress("encoding", 0, engine.inversion_steps, time.perf_counter() - started)
    task = _Background(lambda: engine.encode(job.source, job.source_face, on_step), steps)
    for done, total in iter(steps.get, None):
        yield Progress("encoding", done, total, time.perf_counter() - started)
    return task.result()


class _Background:
    """Runs a function in a thread; None in `steps` tells that it has ended."""

    def __init__(self, function: Callable[[], SourceCodes], steps: queue.Queue):
        self._function, self._steps = function, steps
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._function()
        except Exception as error:  # noqa: BLE001 - raised again by `result` in the thread that waits
            self._error = error
        finally:
            self._steps.put(None)

    def result(self) -> SourceCodes:
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value


def _compose(engine: Engine, job: AnimateJob, source: SourceCodes) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """Yield (full frame, side by side, whether the driver's face was seen); images are uint8 (H, W, 3) on the CPU."""
    image, crop = shrunk_source(load_image(job.source), source.crop, job.output_side_px)
    full = image.to(engine.pipeline.device)[None]
    source_panel = middle_square(model_to_uint8(source.image)[0], PANEL_PX)
    rate = float(job.driving.frame_rate)
    stream = engine.stream(source, islice(job.driving, job.frames), job.options, rate, job.sampler)
    # The clip is decoded a second time for showing: the stream may look ahead.
    for frame, driving in zip(stream, job.driving, strict=False):
        pasted = paste_back(full, frame.image, crop, job.feather, job.match_colour)[0].cpu()
        shown = (driving, model_to_uint8(frame.image)[0])
        side = torch.cat([source_panel, *(middle_square(panel, PANEL_PX) for panel in shown)], dim=1)
        yield pasted, side, bool(frame.pose.found)


def shrunk_source(image: Tensor, crop: CropTransform, longest_px: int) -> tuple[Tensor, CropTransform]:
    """Shrink an image uint8 (H, W, 3) to a longest side, and the crop transform with it."""
    scale = longest_px / max(image.shape[:2])
    if scale >= 1.0:
        return image, crop
    height, width = (max(2, round(side * scale)) for side in image.shape[:2])
    small = model_to_uint8(resize(uint8_to_model(image[None]), (height, width)))[0]
    shrink = resize_transform(tuple(image.shape[:2]), (height, width)).to(crop.matrix)
    return small, replace(crop, matrix=compose_transforms(crop.matrix, invert_transform(shrink)))
