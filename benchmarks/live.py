"""Frames per second and delay of live reenactment, beside `pipeline.stream` fed with the same frames one by one.

    OMP_NUM_THREADS=1 python benchmarks/live.py

Camera frames are those of the bundled clip in the middle of a 640 x 480 image; wall-clock time, from the camera frame
to the uint8 image. The baseline is what the library had before: the stream of the clip, smoothed as usual, one frame a
chunk, at the model's own 512 px, and at the size of the live image.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import torch
from torch import Tensor

import diffusionact
from diffusionact import DiffusionActPipeline, PoseOptions, SourceCodes
from diffusionact.images import load_image, model_to_uint8
from diffusionact.live import SIZES, LiveReenactment, live_pipeline
from diffusionact.video import open_frames

MEDIA = Path(diffusionact.__file__).with_name("demo") / "media"
RESULTS = Path(__file__).with_name("results") / "live.json"
CAMERA = (480, 640)
WARM_UP = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    pipeline = DiffusionActPipeline.from_pretrained("photo")
    source = pipeline.encode_source(load_image(MEDIA / "photo.jpg"))
    frames = list(islice(cycle(camera_frames()), options.frames + WARM_UP))
    rows = [measure_stream(pipeline, source, frames)]
    for size in SIZES:
        small = live_pipeline(pipeline, size)
        if small.sample_size != pipeline.sample_size:
            rows.append(measure_stream(small, source, frames))
        rows.append(measure_live(small, source, frames))
    report = {"threads": torch.get_num_threads(), "load_average": os.getloadavg()[0], "rows": rows}
    options.output.write_text(json.dumps(report, indent=2) + "\n")


def camera_frames() -> Iterator[Tensor]:
    """The clip, each frame in the middle of a camera's image."""
    for frame in open_frames(MEDIA / "photo_driving.mp4"):
        canvas = torch.full((*CAMERA, 3), 110, dtype=torch.uint8)
        top, left = ((side - inner) // 2 for side, inner in zip(CAMERA, frame.shape[:2], strict=True))
        canvas[top : top + frame.shape[0], left : left + frame.shape[1]] = frame
        yield canvas


def measure_stream(pipeline: DiffusionActPipeline, source: SourceCodes, frames: list[Tensor]) -> dict:
    """The baseline: each frame is a chunk; the next one is read meanwhile."""
    stream = pipeline.stream(source, iter(frames), PoseOptions(missing="hold", driver_crop="clip"), chunk_size=1)
    for _ in range(WARM_UP):
        model_to_uint8(next(stream).image)
    seconds = [timed(lambda: model_to_uint8(next(stream).image)) for _ in range(len(frames) - WARM_UP)]
    return row("stream", pipeline.sample_size, seconds, [])


def measure_live(pipeline: DiffusionActPipeline, source: SourceCodes, frames: list[Tensor]) -> dict:
    """A live session: one frame after the other."""
    live, delays = LiveReenactment(pipeline, source), []

    def step(frame: Tensor) -> None:
        shown = live.step(frame, time.perf_counter())
        model_to_uint8(shown.image)
        delays.append(time.perf_counter() - shown.captured_at)

    for frame in frames[:WARM_UP]:
        step(frame)
    seconds = [timed(lambda frame=frame: step(frame)) for frame in frames[WARM_UP:]]
    return row("live", pipeline.sample_size, seconds, delays[WARM_UP:])


def timed(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def row(name: str, size: int, seconds: list[float], delays: list[float]) -> dict:
    """Figures of one run, printed; the stream reads ahead, and knows no delay."""
    rate, delay = len(seconds) / sum(seconds), 1e3 * statistics.median(delays) if delays else None
    print(f"{name:6} {size} px: {rate:5.1f} frames/s" + (f", {delay:.0f} ms delay" if delays else ""))
    return {"name": name, "size": size, "frames_per_second": rate, "delay_ms": delay}


if __name__ == "__main__":
    main()
