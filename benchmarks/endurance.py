"""Whether anything grows: a clip of 100,000 frames with sound, and 200 runs in a row through the pipeline and the app.

    python benchmarks/endurance.py clip --frames 100000
    python benchmarks/endurance.py pipeline --runs 200
    python benchmarks/endurance.py app --runs 200

Memory is what the process holds (megabytes, resident), measured along the way.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import av  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402
import torch  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
MEDIA = ROOT / "diffusionact" / "demo" / "media"
SIDE, RATE, SOUND_RATE = 64, Fraction(30000, 1001), 48000


def main() -> None:
    """Run what was chosen and print a line of JSON."""
    parser = argparse.ArgumentParser(description="Whether memory, files or threads grow.")
    parser.add_argument("what", choices=("clip", "pipeline", "app"))
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        if options.what == "clip":
            row = copy_clip(Path(folder), options.frames)
        else:
            row = {"pipeline": run_pipeline, "app": run_app}[options.what](Path(folder), options.runs)
        print(json.dumps({"what": options.what, **row, "seconds": round(time.perf_counter() - started)}), flush=True)


def write_clip(path: Path, count: int) -> None:
    """Frames that change a little, and a tone as long as they are."""
    with av.open(str(path), "w") as container:
        images = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        images.width = images.height = SIDE
        images.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=SOUND_RATE, layout="mono")
        tone = (8000 * np.sin(np.arange(1024) * 2 * np.pi / 64)).astype(np.float32)[None] / 32768
        samples = 0
        for index in range(count):
            pixels = np.full((SIDE, SIDE, 3), index % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = index, 1 / RATE
            container.mux(images.encode(frame))
            while samples < (index + 1) / RATE * SOUND_RATE:
                part = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
                part.sample_rate, part.pts, part.time_base = SOUND_RATE, samples, Fraction(1, SOUND_RATE)
                container.mux(sound.encode(part))
                samples += 1024
        container.mux([*images.encode(None), *sound.encode(None)])


def copy_clip(folder: Path, count: int) -> dict[str, object]:
    """Read and write a long clip with its sound as `reenact` does."""
    from diffusionact.video import VideoWriter, open_frames

    source, target, process, memory = folder / "long.mp4", folder / "copy.mp4", psutil.Process(), []
    write_clip(source, count)
    clip = open_frames(source)
    with VideoWriter(target, clip.frame_rate, clip.size, audio_from=source, clip=clip) as writer:
        for index, frame in enumerate(clip):
            writer.write(frame)
            if (index + 1) % max(1, count // 10) == 0:
                memory.append(process.memory_info().rss >> 20)
    with av.open(str(target)) as container:
        images, sound = container.streams.video[0], container.streams.audio[0]
        lengths = [float(stream.duration * stream.time_base) for stream in (images, sound)]
        frames = images.frames
    return {
        "frames": frames,
        "rate": str(clip.frame_rate),
        "memory_mb": memory,
        "images_s": lengths[0],
        "sound_s": lengths[1],
    }


def _state(process: psutil.Process) -> dict[str, int]:
    return {"memory_mb": process.memory_info().rss >> 20, "files": process.num_fds(), "threads": process.num_threads()}


def run_pipeline(folder: Path, runs: int) -> dict[str, object]:
    """Encode a source and render two frames into a video, again and again."""
    from itertools import islice

    from tiny_model import make_tiny_model

    from diffusionact import DiffusionActPipeline
    from diffusionact.images import load_image, model_to_uint8
    from diffusionact.video import VideoWriter, open_frames

    pipeline = DiffusionActPipeline.from_pretrained(make_tiny_model(folder / "model"), device="cpu")
    process, states = psutil.Process(), []
    for run in range(runs):
        clip = open_frames(MEDIA / "driving.mp4")
        source = pipeline.encode_source(load_image(MEDIA / "source.png"))
        with VideoWriter(folder / "out.mp4", clip.frame_rate, (32, 32), clip=clip) as writer:
            for frame in pipeline.stream(source, islice(clip, 2), frame_rate=float(clip.frame_rate)):
                writer.write(model_to_uint8(frame.image)[0])
        if run % max(1, runs // 5) == max(1, runs // 5) - 1:
            states.append(_state(process))
    return {"runs": runs, "states": states}


def run_app(folder: Path, runs: int) -> dict[str, object]:
    """Call a running app's two calls in turn."""
    from fuzz_calls import RunningCalls

    calls, states = RunningCalls(folder / "app"), []
    process = psutil.Process(calls.app.pid)
    for run in range(runs):
        name = ("edit", "animate")[run % 2]
        body = folder / f"{name}.json"
        body.write_text(json.dumps(calls.bodies[name]))
        calls.post(body)
        if run % max(1, runs // 5) == max(1, runs // 5) - 1:
            states.append(_state(process))
    return {"runs": runs, "states": states}


if __name__ == "__main__":
    main()
