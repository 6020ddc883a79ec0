"""Peak memory of `diffusionact reenact` on a short and on a long driving clip: it must not grow with the length.

    python benchmarks/long_clip_memory.py --frames 300 3000

Runs the command as its own process with the tiny test model, so that tracking, video and bookkeeping dominate, and
prints the peak of each process and the difference to the first.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from tiny_model import make_tiny_model  # noqa: E402

from diffusionact.video import VideoWriter, open_frames  # noqa: E402

MEDIA = ROOT / "diffusionact" / "demo" / "media"


def write_driving(path: Path, count: int) -> None:
    """The bundled driving clip, played again and again up to `count` frames."""
    clip = open_frames(MEDIA / "driving.mp4")
    with VideoWriter(path, Fraction(30000, 1001), clip.size) as writer:
        for frame in islice(cycle(clip), count):
            writer.write(frame)


def peak_memory_mb(model: Path, driving: Path, output: Path) -> float:
    """Reenact in a child process; its highest resident memory in megabytes."""
    words = ["reenact", str(MEDIA / "source.png"), str(driving), "-o", str(output), "--model", str(model)]
    words += ["--overwrite", "--device", "cpu", "--dtype", "float32"]
    command = [sys.executable, "-m", "diffusionact", *words]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise RuntimeError(f"Expected `diffusionact reenact` to succeed, received status {status}. Run it by hand.")
    return usage.ru_maxrss / 1024


def measure(counts: list[int]) -> dict[int, float]:
    """Peak memory in megabytes for each number of frames."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_tiny_model(folder / "model")
        peaks = {}
        for count in counts:
            write_driving(folder / "driving.mp4", count)
            peaks[count] = peak_memory_mb(model, folder / "driving.mp4", folder / "output.mp4")
    return peaks


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[300, 3000])
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    options = parser.parse_args()
    peaks = measure(options.frames)
    first = peaks[options.frames[0]]
    for count, peak in peaks.items():
        print(f"{count:6d} frames: peak {peak:7.1f} MB, {peak - first:+6.1f} MB against {options.frames[0]} frames")
    if options.output:
        options.output.write_text(json.dumps({"peak_mb": peaks}, indent=2) + "\n")


if __name__ == "__main__":
    main()
