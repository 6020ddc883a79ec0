"""Milliseconds per frame at 256 px: the engine `directions` against the engine `diffusion`, in one run.

    OMP_NUM_THREADS=1 python benchmarks/directions_speed.py --output benchmarks/results/directions_speed.json

Both engines have networks of the official size with random weights, on which time does not depend. Rendering alone:
reading the driver costs the same for both. The diffusion engine's steps are alike, so a few are timed and scaled to the
paper's 20; its one encoder pass per frame is timed with them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from diffusionact.models import Directions, InversionEncoder, ReenactmentEncoder, StyleGAN2, UNet  # noqa: E402

SIZE = 256
PAPER_STEPS = 20


def main() -> None:
    """Print a row for each part and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="float32")
    parser.add_argument("--frames", type=int, default=1, help="rendered together")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="of the diffusion engine that are timed")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    device, dtype = torch.device(options.device), getattr(torch, options.dtype)
    report = {"device": options.device, "dtype": options.dtype, "threads": torch.get_num_threads()}
    report |= {"frames": options.frames, "timed_steps": options.steps, "ms": measure(options, device, dtype)}
    report["diffusion_over_directions"] = report["ms"]["diffusion"] / report["ms"]["directions"]
    print(f"diffusion / directions: {report['diffusion_over_directions']:.0f}")
    if options.output:
        options.output.write_text(json.dumps(report, indent=2) + "\n")


@torch.inference_mode()
def measure(options: argparse.Namespace, device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """Milliseconds per frame of each engine, and of their parts."""
    frames, repeats = options.frames, options.repeats

    def timed(name: str, function: Callable[[], object], count: int) -> float:
        value = 1e3 * statistics.median(seconds(function, count, device)) / frames
        print(f"{name}: {value:.1f} ms per frame")
        return value

    image = torch.rand(frames, 3, SIZE, SIZE, device=device) * 2 - 1
    inversion = InversionEncoder().eval().to(device)
    once = timed("e4e, once per source", lambda: inversion(image), 1)
    generator = StyleGAN2().eval().to(device, dtype, memory_format=torch.channels_last)
    directions = Directions().eval().to(device)
    w_plus, delta_p = torch.randn(frames, 14, 512, device=device), torch.randn(frames, 15, device=device)
    one = timed("directions: A and one generator pass", lambda: generator(directions.shift(w_plus, delta_p)), repeats)
    unet = UNet().eval().to(device, dtype, memory_format=torch.channels_last)
    encoder = ReenactmentEncoder().eval().to(device)
    code, x_t = torch.randn(frames, 512, device=device, dtype=dtype), image.to(dtype)
    step = timed("diffusion: one step", lambda: unet(x_t, torch.tensor([500], device=device), code), options.steps)
    coded = timed("diffusion: reenactment encoder", lambda: encoder(image, image), 1)
    diffusion = PAPER_STEPS * step + coded
    print(f"diffusion: {PAPER_STEPS} steps and the encoder: {diffusion:.1f} ms per frame")
    return {"directions": one, "diffusion": diffusion, "diffusion_step": step, "inversion_once": once}


def seconds(function: Callable[[], object], count: int, device: torch.device) -> list[float]:
    """Time of `count` calls after one to warm up: this process's own on a CPU, which others may use too."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    times = []
    for _ in range(count + 1):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = clock()
        function()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(clock() - start)
    return times[1:]


if __name__ == "__main__":
    main()
