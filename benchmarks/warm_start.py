"""What a warm start costs and saves with the bundled diffusion model: fidelity, how well it follows, UNet calls, time.

    OMP_NUM_THREADS=1 python -m benchmarks.warm_start --output benchmarks/results/warm_start.json

Frames of the bundled driving clip are rendered from x_T and from the warped source, and compared with what the model
itself draws in float32 with 20 steps of DDIM from x_T. "nme" is the distance of the landmarks that the open face reader
finds in the output from those that were asked for, in percent of the eyes' distance; "pose_deg" the mean difference of
yaw and pitch. The warped source alone is the last row.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from diffusionact import DiffusionActPipeline, PoseOptions
from diffusionact.commands.demo import DEMO_MEDIA
from diffusionact.commands.reenactment_report import ReenactmentReport
from diffusionact.generation import Conditioning, DiffusionEngine, Sampling
from diffusionact.generation.warm_start import WarmStartEngine
from diffusionact.images import load_image
from diffusionact.metrics import psnr
from diffusionact.pipelines import ReenactedFrame
from diffusionact.types import FacePose, SourceCodes, map_tensors
from diffusionact.video import open_frames

REFERENCE = Sampling(20, "ddim")
COLD = (Sampling(10, "ddim"), Sampling(10, "dpm"), Sampling(6, "dpm"), Sampling(4, "dpm"))
WARM = (Sampling(20, "ddim"), Sampling(10, "dpm"))
SHARES = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class Frames:
    """What every way renders.

    Attributes:
        source: with the codes of the diffusion engine and of the warp.
        pose: F rows.
        reference: (F, 3, S, S) in [-1, 1].
    """

    source: SourceCodes
    pose: FacePose
    reference: Tensor


def main() -> None:
    """Print a row for each way and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="of the engine diffusion")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--stride", type=int, default=12, help="of the driving clip")
    parser.add_argument("--inversion-steps", type=int)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    pipeline = DiffusionActPipeline.from_pretrained(options.model, torch.float32)
    frames = prepare(pipeline, options)
    rows = []
    for row in measured(pipeline, frames):
        rows.append(row)
        print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    if options.output:
        facts = {"model": options.model, "threads": torch.get_num_threads(), "frames": options.frames}
        options.output.write_text(json.dumps(facts | {"rows": rows}, indent=1) + "\n")


@torch.inference_mode()
def prepare(pipeline: DiffusionActPipeline, options: argparse.Namespace) -> Frames:
    """Encode the source for both ways, read the driver, render the reference."""
    warm = pipeline.with_engine(WarmStartEngine(pipeline.engine, 0.0))
    source = warm.encode_source(load_image(DEMO_MEDIA / "source.png"), options.inversion_steps)
    driving = islice(iter(open_frames(DEMO_MEDIA / "driving.mp4")), 0, options.frames * options.stride, options.stride)
    pose = pipeline.extract_pose(driving, source, PoseOptions(smoothing=0.0))
    conditioning = pipeline.reenact(source, pose)
    return Frames(source, pose, pipeline.engine.render(source, conditioning, REFERENCE))


@torch.inference_mode()
def measured(pipeline: DiffusionActPipeline, frames: Frames) -> Iterator[dict[str, str | float | int]]:
    """The reference, cold ways, warm ways, the warp alone."""
    engine = pipeline.engine
    for sampling in (REFERENCE, *COLD):
        yield row_of(pipeline, engine, frames, sampling, 0.0)
    for sampling in WARM:
        for share in SHARES:
            yield row_of(pipeline, WarmStartEngine(engine, share), frames, sampling, share)
    warp = WarmStartEngine(engine, 0.0).warp
    images = warp.render(frames.source, Conditioning(warp.condition(frames.source, frames.pose)), Sampling())
    yield {"sampler": "the warp alone", "share": 1.0, "calls": 0} | figures(pipeline, frames, images)


def row_of(
    pipeline: DiffusionActPipeline, engine: DiffusionEngine, frames: Frames, sampling: Sampling, share: float
) -> dict[str, str | float | int]:
    """One way: steps of the whole schedule, UNet calls that are left, processor time of a frame, figures."""
    begun = time.process_time()
    conditioning = Conditioning(engine.condition(frames.source, frames.pose))
    images = engine.render(frames.source, conditioning, sampling)
    seconds = (time.process_time() - begun) / len(images)
    row = {"sampler": f"{sampling.scheduler} {sampling.num_inference_steps}", "share": share}
    row |= {"calls": engine.steps_per_frame(sampling), "cpu_seconds": round(seconds, 3)}
    return row | figures(pipeline, frames, images)


def figures(pipeline: DiffusionActPipeline, frames: Frames, images: Tensor) -> dict[str, float]:
    """Likeness to the reference, and how well the frames show what was asked for."""
    report = ReenactmentReport(pipeline, frames.source)
    for index, image in enumerate(images):
        row = slice(index, index + 1)
        report.add(ReenactedFrame(image[None], map_tensors(frames.pose, lambda tensor, row=row: tensor[row])))
    turns = torch.stack([seen.motion[:2] - seen.wanted_motion[:2] for seen in report.seen])
    level = float(psnr(images, frames.reference).clamp(max=99.0).mean())
    return {
        "psnr_db": round(level, 1),
        "nme": round(report.figures(0.0)["landmark_nme_percent"], 2),
        "pose_deg": round(float(turns.abs().mean()), 2),
        "faces": len(report.seen),
    }


if __name__ == "__main__":
    main()
