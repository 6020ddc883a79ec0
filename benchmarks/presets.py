"""What the presets are worth with the bundled model: how well its source comes back, and the time of a frame.

    OMP_NUM_THREADS=1 python benchmarks/presets.py --output benchmarks/results/presets.json

"Comes back" is the source decoded in its own pose against the aligned source, after `--inversion-steps`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from diffusionact import DiffusionActPipeline  # noqa: E402
from diffusionact.commands.demo import DEMO_MEDIA  # noqa: E402
from diffusionact.images import load_image  # noqa: E402
from diffusionact.metrics import psnr  # noqa: E402

FRAMES = 8


def main() -> None:
    """Print one row per preset and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo")
    parser.add_argument("--inversion-steps", type=int)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    pipeline = DiffusionActPipeline.from_pretrained(options.model)
    source = pipeline.encode_source(load_image(DEMO_MEDIA / "source.png"), options.inversion_steps)
    codes = source.semantic_code.expand(FRAMES, -1)
    rows = []
    for name, preset in pipeline.presets.items():
        scheduler, steps = preset.scheduler, preset.num_inference_steps
        pipeline.decode(source, codes[:1], steps, scheduler)  # warm up
        start = time.perf_counter()
        frames = pipeline.decode(source, codes, steps, scheduler)
        seconds = (time.perf_counter() - start) / FRAMES
        level = float(psnr(frames[:1], source.image))
        row = {"preset": name, "sampler": scheduler, "steps": steps, "psnr_db": round(level, 1), "seconds": seconds}
        rows.append(row)
        print(f"{name}: {scheduler} {steps}  {level:.1f} dB  {seconds:.3f} s per frame")
    if options.output:
        options.output.write_text(json.dumps({"threads": torch.get_num_threads(), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
