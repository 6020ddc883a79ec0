"""Whether it pays to keep the UNet's deep features over some steps, against taking fewer steps.

    OMP_NUM_THREADS=1 python -m benchmarks.feature_reuse --output benchmarks/results/feature_reuse.json

The lower levels are computed at every k-th step, the finest level's blocks at each ("DeepCache", Ma et al. 2024). PSNR
is against 20 steps of DDIM; "calls" is the processor time in calls of the whole UNet. Codes are of the bundled source,
with semantic codes drawn around its own.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusionact import DiffusionActPipeline
from diffusionact.commands.demo import DEMO_MEDIA
from diffusionact.generation import Conditioning
from diffusionact.generation.diffusion import calling
from diffusionact.generation.sampling import Model, sample
from diffusionact.images import load_image
from diffusionact.metrics import psnr
from diffusionact.models import UNet
from diffusionact.schedulers import make_scheduler

FRAMES = 4
KEPT = (("ddim", 20, 2), ("ddim", 20, 5), ("ddim", 10, 2), ("ddim_quad", 8, 2), ("ddim_quad", 6, 2))
PLAIN = (("ddim", 10), ("ddim_quad", 4), ("ddim_quad", 6), ("dpm", 5))


class KeptFeatures:
    """A model of the sampling loop that computes what lies below the finest level at every k-th call only.

    Args:
        unet: of the demo model's kind, one residual block a level.
        every: k.
    """

    def __init__(self, unet: UNet, every: int):
        self.unet, self.every, self.calls = unet, every, 0
        self.shallow = next(i for i, block in enumerate(unet.down_blocks) if block.residual.kind == "down")

    def __call__(self, x_t: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        unet, cut, dtype = self.unet, self.shallow, self.unet.dtype
        code, sample = conditioning["semantic_code"].to(dtype), x_t.to(dtype, memory_format=torch.channels_last)
        time_embedding = unet.time_embedding(unet.time_sinusoid(timestep.expand(len(sample))).to(dtype))
        features, laterals = unet.conv_in(F.pixel_unshuffle(sample, unet.config.patch_size)), []
        laterals.append(features)
        for block in unet.down_blocks[:cut]:
            features = block(features, time_embedding, code)
            laterals.append(features)
        if self.calls % self.every == 0:
            self.deep = self._below(features, time_embedding, code)
        self.calls += 1
        features = self.deep
        for block in unet.up_blocks[-len(laterals) :]:
            features = block(features, laterals.pop(), time_embedding, code)
        prediction = unet.conv_out(F.silu(unet.norm_out(features)))
        return F.pixel_shuffle(prediction, unet.config.patch_size).float()

    def _below(self, features: Tensor, time_embedding: Tensor, code: Tensor) -> Tensor:
        laterals = []
        for block in self.unet.down_blocks[self.shallow :]:
            features = block(features, time_embedding, code)
            laterals.append(features)
        features = self.unet.middle_block(features, time_embedding, code)
        for block in self.unet.up_blocks[: len(laterals)]:
            features = block(features, laterals.pop(), time_embedding, code)
        return features


@torch.inference_mode()
def main() -> None:
    """Print a row for each way and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    pipeline = DiffusionActPipeline.from_pretrained("demo")
    engine, source = pipeline.engine, pipeline.encode_source(load_image(DEMO_MEDIA / "source.png"))
    noise = torch.randn(FRAMES, source.semantic_code.shape[1], generator=torch.Generator().manual_seed(0))
    code = source.semantic_code + 0.3 * source.semantic_code.std() * noise
    conditioning = Conditioning({"semantic_code": code})
    x_T = source.codes["stochastic_code"].expand(FRAMES, -1, -1, -1)

    def drawn(model: Model, sampler: str, steps: int) -> tuple[Tensor, float]:
        scheduler, begun = make_scheduler(sampler, engine.scheduler.config), time.process_time()
        images = sample(model, scheduler, x_T, conditioning, steps)
        return images.clamp(-1, 1), time.process_time() - begun

    plain = calling(engine.unet)
    reference, seconds = drawn(plain, "ddim", 20)
    ways = [(sampler, steps, 1, plain) for sampler, steps in PLAIN]
    ways += [(sampler, steps, every, KeptFeatures(engine.unet, every)) for sampler, steps, every in KEPT]
    rows = []
    for sampler, steps, every, model in ways:
        images, taken = drawn(model, sampler, steps)
        row = {"sampler": sampler, "steps": steps, "deep_every": every, "calls": round(20 * taken / seconds, 1)}
        rows.append(row | {"psnr_db": round(float(psnr(images, reference).mean()), 1)})
        print(rows[-1], flush=True)
    if options.output:
        options.output.write_text(json.dumps({"threads": torch.get_num_threads(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
