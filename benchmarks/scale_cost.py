"""What a large table costs: hours, storage, traffic and requests, computed from one clip and the scheduler's overhead.

    OMP_NUM_THREADS=1 python benchmarks/scale_cost.py --output benchmarks/results/scale_cost.json

Measured here: the bundled photo moved by the bundled clip with the model `photo`, processor time and bytes; from
`results/scale.json`: the overhead. Everything else is multiplication. Frames per second of a GPU are assumptions, for
none was at hand.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MEDIA = ROOT / "diffusionact" / "demo" / "media"
PHOTO, DRIVING, FRAMES = MEDIA / "photo.jpg", MEDIA / "photo_driving.mp4", 100
RATE = 25
# VoxCeleb2 as its paper counts it (Chung, Nagrani, Zisserman 2018, table 2): utterances, and hours in all.
VOXCELEB2_CLIPS, VOXCELEB2_HOURS = 1_128_246, 2442
VOXCELEB2_SECONDS = VOXCELEB2_HOURS * 3600 / VOXCELEB2_CLIPS
CLIPS = (1_000, 100_000, VOXCELEB2_CLIPS)
ASSUMED_FRAMES_PER_SECOND = (10, 30, 100)
# Per row: is the output there; what the driving clip is now; the clip; the finished video.
REQUESTS_PER_ROW = {"HEAD": 2, "GET": 1, "PUT": 1}


def main() -> None:
    """Print a line per number of clips and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    measured = one_clip()
    scheduling = json.loads((ROOT / "benchmarks" / "results" / "scale.json").read_text())["scheduling"]
    measured["ray_ms_per_task"] = scheduling["ray_ms_per_task"][-1]
    print("measured", json.dumps(measured), flush=True)
    rows = [computed(clips, measured) for clips in CLIPS]
    for row in rows:
        print("computed", json.dumps(row), flush=True)
    if options.output:
        options.output.write_text(json.dumps({"measured": measured, "computed": rows}, indent=2) + "\n")


def one_clip() -> dict[str, Any]:
    """Processor time and bytes per frame; a second run with one frame takes the start out."""
    with tempfile.TemporaryDirectory() as name:
        whole, short = Path(name) / "whole.mp4", Path(name) / "short.mp4"
        seconds = reenact(whole) - reenact(short, "--end", str(1 / RATE))
        frames = FRAMES - 1
        return {
            "processor_s_per_frame": round(seconds / frames, 4),
            "driving_bytes_per_frame": round(DRIVING.stat().st_size / FRAMES),
            "output_bytes_per_frame": round(whole.stat().st_size / FRAMES),
        }


def reenact(output: Path, *words: str) -> float:
    """Processor seconds of a run."""
    before = os.times()
    command = [sys.executable, "-m", "diffusionact", "reenact", PHOTO, DRIVING, "-o", output, "--device", "cpu", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(list(map(str, command)), check=True, env=environment, capture_output=True)
    after = os.times()
    return (after.children_user + after.children_system) - (before.children_user + before.children_system)


def computed(clips: int, measured: dict[str, Any]) -> dict[str, Any]:
    """Clips as long as those of VoxCeleb2 are on average."""
    frames = clips * VOXCELEB2_SECONDS * RATE
    overhead_s = measured["ray_ms_per_task"] / 1000
    return {
        "clips": clips,
        "million_frames": round(frames / 1e6, 2),
        "core_hours": round(frames * measured["processor_s_per_frame"] / 3600),
        "gpu_hours_at_assumed_fps": {rate: round(frames / rate / 3600, 1) for rate in ASSUMED_FRAMES_PER_SECOND},
        "gb_read": round(frames * measured["driving_bytes_per_frame"] / 1e9, 1),
        "gb_written": round(frames * measured["output_bytes_per_frame"] / 1e9, 1),
        "thousand_requests": {kind: round(count * clips / 1000) for kind, count in REQUESTS_PER_ROW.items()},
        "scheduler_hours": round(clips * overhead_s / 3600, 2),
        # A driver that hands out one clip per `overhead_s` keeps so many workers of 30 frames per second busy.
        "workers_of_30_fps_fed": int(VOXCELEB2_SECONDS * RATE / 30 / overhead_s),
    }


if __name__ == "__main__":
    main()
