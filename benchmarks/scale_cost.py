"""What a large table costs: hours, storage, traffic and requests, computed from figures per frame and per row.

    python benchmarks/scale_cost.py --output benchmarks/results/scale_cost.json

Measured before: frames per second of the model `photo` on one thread (`results/live.json`), the scheduler's overhead
(`results/scale.json`), and bytes per frame of a bundled driving clip and of a rendered one. Everything else is
multiplication. Frames per second of a GPU are assumptions, for none was at hand.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import av

ROOT = Path(__file__).resolve().parents[1]
DRIVING = ROOT / "diffusionact" / "demo" / "media" / "photo_driving.mp4"
RENDERED = ROOT / "diffusionact_app" / "media" / "astronaut" / "full_frame.mp4"
RATE = 25
# VoxCeleb2 as its paper counts it (Chung, Nagrani, Zisserman 2018, table 2): utterances, and hours in all.
VOXCELEB2_CLIPS, VOXCELEB2_HOURS = 1_128_246, 2442
VOXCELEB2_SECONDS = VOXCELEB2_HOURS * 3600 / VOXCELEB2_CLIPS
CLIPS = (1_000, 100_000, VOXCELEB2_CLIPS)
ASSUMED_FRAMES_PER_SECOND = (10, 30, 100)
# `train/prepare.py`, as docs/data.md has it: one frame in five.
PREPARED_EVERY, PREPARE_S_PER_FRAME, PREPARED_BYTES_PER_FRAME = 5, 0.12, 20_000
# Per row: is the output there; what the driving clip is now; the clip; the finished video.
REQUESTS_PER_ROW = {"HEAD": 2, "GET": 1, "PUT": 1}


def main() -> None:
    """Print a line per number of clips and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    measured = measured_before()
    print("measured", json.dumps(measured), flush=True)
    rows = [computed(clips, measured) for clips in CLIPS]
    for row in rows:
        print("computed", json.dumps(row), flush=True)
    if options.output:
        options.output.write_text(json.dumps({"measured": measured, "computed": rows}, indent=2) + "\n")


def measured_before() -> dict[str, Any]:
    """Seconds and bytes per frame from results and clips that are in the repository."""
    results = ROOT / "benchmarks" / "results"
    live = json.loads((results / "live.json").read_text())
    stream = next(row for row in live["rows"] if (row["name"], row["size"]) == ("stream", 256))
    scheduling = json.loads((results / "scale.json").read_text())["scheduling"]
    return {
        "core_s_per_frame": round(1 / stream["frames_per_second"], 4),
        "driving_bytes_per_frame": bytes_per_frame(DRIVING),
        "output_bytes_per_frame": bytes_per_frame(RENDERED),
        "ray_ms_per_task": scheduling["ray_ms_per_task"][-1],
    }


def bytes_per_frame(clip: Path) -> int:
    """Of a video file."""
    with av.open(str(clip)) as container:
        return round(clip.stat().st_size / container.streams.video[0].frames)


def computed(clips: int, measured: dict[str, Any]) -> dict[str, Any]:
    """Clips as long as those of VoxCeleb2 are on average."""
    frames = clips * VOXCELEB2_SECONDS * RATE
    overhead_s = measured["ray_ms_per_task"] / 1000
    return {
        "clips": clips,
        "million_frames": round(frames / 1e6, 2),
        "core_hours": round(frames * measured["core_s_per_frame"] / 3600),
        "gpu_hours_at_assumed_fps": {rate: round(frames / rate / 3600, 1) for rate in ASSUMED_FRAMES_PER_SECOND},
        "gb_read": round(frames * measured["driving_bytes_per_frame"] / 1e9, 1),
        "gb_written": round(frames * measured["output_bytes_per_frame"] / 1e9, 1),
        "thousand_requests": {kind: round(count * clips / 1000) for kind, count in REQUESTS_PER_ROW.items()},
        "scheduler_hours": round(clips * overhead_s / 3600, 2),
        "prepare_core_hours": round(frames / PREPARED_EVERY * PREPARE_S_PER_FRAME / 3600),
        "prepare_gb_of_shards": round(frames / PREPARED_EVERY * PREPARED_BYTES_PER_FRAME / 1e9, 1),
        # A driver that hands out one clip per `overhead_s` keeps so many workers of 30 frames per second busy.
        "workers_of_30_fps_fed": int(VOXCELEB2_SECONDS * RATE / 30 / overhead_s),
    }


if __name__ == "__main__":
    main()
