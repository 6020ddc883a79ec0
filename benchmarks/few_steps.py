"""What few steps of the diffusion model keep of its own 20, by sampler, and how much faster a frame is.

    python -m portraits --identities 320 --frames 4 --motion stills --size 128 --seed 4711 --output data/few128
    OMP_NUM_THREADS=1 python -m benchmarks.few_steps --data data/few128 --output benchmarks/results/few_steps.json
    OMP_NUM_THREADS=1 python -m benchmarks.few_steps --data data/few128 --steps --compile    # times alone, compiled too

PSNR is that of frames in the device's own dtype against 20 steps of DDIM in float32, from the same x_T, on pairs of the
held-out people of the folder. "ratio" is the processor time of a frame as in the official code (encoder and 20 UNet
calls in float32, batch 1) over that of the sampler's (its calls in chunks of `--chunk-size`), in alternating runs;
"compiled_to_eager" is that of the sampler's over the same with compiled blocks.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor

from diffusionact.devices import default_dtype
from diffusionact.generation import DiffusionEngine, Sampling, load_components
from diffusionact.generation.acceleration import Acceleration, accelerate
from diffusionact.images import uint8_to_model
from diffusionact.metrics import psnr
from train.data.frames import Frames
from train.data.pairs import held_out_pairs

REFERENCE = Sampling(20, "ddim")
STEPS = (1, 2, 3, 4, 5, 6)


class HeldOut:
    """Sources with their x_T, driven by another frame of the same person; the first row of each is the first pair.

    Args:
        engine: in float32.
        options: of the command line.
    """

    def __init__(self, engine: DiffusionEngine, options: argparse.Namespace):
        frames = Frames(options.data, engine.sample_size, options.validation_every)
        sources, targets = held_out_pairs(frames.video, frames.validation, options.pairs, 0)
        self.image, source_map, self.landmark_map = (
            uint8_to_model(frames.images(name, chosen))
            for name, chosen in (("image", sources), ("landmark_map", sources), ("landmark_map", targets))
        )
        self.x_T = engine.invert(self.image, engine.reenactment_encoder(self.image, source_map), None)
        self.reference = self.render(engine, REFERENCE)

    def render(self, engine: DiffusionEngine, sampling: Sampling, rows: slice = slice(None)) -> Tensor:
        """Images (P, 3, S, S) of the pairs: an encoder pass and the sampler's calls."""
        code = engine.reenactment_encoder(self.image[rows], self.landmark_map[rows])
        return engine.sample(self.x_T[rows], code, sampling.num_inference_steps, sampling.scheduler)


def main() -> None:
    """Print a row for each sampler and number of steps and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="of the engine diffusion")
    parser.add_argument("--data", required=True, help="folder of shards")
    parser.add_argument("--validation-every", type=int, default=20, help="every N-th person is held out")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--steps", type=int, nargs="*", default=STEPS, help="whose fidelity is measured")
    parser.add_argument("--chunk-size", type=int, default=8, help="frames at a time (default: the command's)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--timed", nargs="*", default=["dpm:5", "ddim_quad:4"], metavar="SAMPLER:STEPS")
    parser.add_argument("--compile", action="store_true", help="also times with compiled blocks")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with torch.no_grad():
        rows = measured(options)
    if options.output:
        facts = {"model": options.model, "threads": torch.get_num_threads(), "chunk_size": options.chunk_size}
        options.output.write_text(json.dumps(facts | {"pairs": options.pairs, "rows": rows}, indent=1) + "\n")


def measured(options: argparse.Namespace) -> list[dict[str, object]]:
    """Fidelity of every sampler, then the times of the chosen ones."""
    official = DiffusionEngine(load_components(options.model))
    ours = DiffusionEngine(copy.deepcopy(official.components)).to("cpu", default_dtype(torch.device("cpu")))
    held_out = HeldOut(official, options)
    samplers = ["ddim", "ddim_quad", "dpm", *(["distilled"] if ours.distilled_unet is not None else [])]
    rows = []
    for name in samplers:
        for steps in options.steps:
            levels = psnr(held_out.render(ours, Sampling(steps, name)), held_out.reference)
            rows.append(
                {"sampler": name, "steps": steps, "psnr_db": round(float(levels.mean()), 1),
                 "worst_db": round(float(levels.min()), 1)}
            )  # fmt: skip
            print(rows[-1], flush=True)
    for words in options.timed:
        name, steps = words.split(":")
        rows.append(timed(official, ours, held_out, Sampling(int(steps), name), options))
        print(rows[-1], flush=True)
    return rows


def timed(
    official: DiffusionEngine,
    ours: DiffusionEngine,
    held_out: HeldOut,
    sampling: Sampling,
    options: argparse.Namespace,
) -> dict[str, object]:
    """Processor time of a frame every way, alternating; the first round warms up."""
    ways = {"official": (official, REFERENCE, 1), "ours": (ours, sampling, options.chunk_size)}
    if options.compile:
        compiled = DiffusionEngine(ours.components)
        accelerate(compiled, Acceleration(options.chunk_size), sampling)
        ways["compiled"] = compiled, sampling, options.chunk_size
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds + 1):
        for name, (engine, how, count) in ways.items():
            begun = time.process_time()
            held_out.render(engine, how, slice(count))
            seconds[name].append((time.process_time() - begun) / count)
    row: dict[str, object] = {"sampler": sampling.scheduler, "steps": sampling.num_inference_steps}
    row |= {f"{name}_seconds": round(statistics.median(values[1:]), 4) for name, values in seconds.items()}
    row["ratio"] = round(_ratio(seconds["official"], seconds["ours"]), 1)
    if options.compile:
        row["compiled_to_eager"] = round(_ratio(seconds["ours"], seconds["compiled"]), 2)
    return row


def _ratio(slow: list[float], fast: list[float]) -> float:
    """Median of the ratios of neighbours, without the first."""
    return statistics.median(a / b for a, b in list(zip(slow, fast, strict=True))[1:])


if __name__ == "__main__":
    main()
