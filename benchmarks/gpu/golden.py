"""The UNet with weights by rule against stored outputs of the official code, if they lie beside the checkout."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path

import torch

from diffusionact import DiffusionActPipeline

from .machine import tf32
from .sections import Bench, Case, LeftOutError, Row

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden"
TIMESTEPS = (0, 49, 500, 999)
ALLOWED = 5e-4  # ten times that of the tests on a CPU: a GPU adds up in another order


def cases(bench: Bench) -> Iterator[Case]:
    """One for each stored timestep."""
    model = OfficialModel(bench)
    for timestep in TIMESTEPS:
        yield Case(f"predicted noise at t = {timestep}", partial(difference, model, timestep))


class OfficialModel:
    """The converted model, made when it is first used: about a minute."""

    def __init__(self, bench: Bench):
        self.bench = bench

    @cached_property
    def pipeline(self) -> DiffusionActPipeline:
        if not self.bench.sizes.has_golden:
            raise LeftOutError("stored outputs are of the full size only")
        if not GOLDEN.is_dir():
            raise LeftOutError("../shared/golden is not there")
        if importlib.util.find_spec("pytest") is None:
            raise LeftOutError("pytest is not installed")
        from ..official_parity import official_pipeline  # the filling by rule is among the tests

        return official_pipeline(GOLDEN, self.bench.folder / "official").to(self.bench.device)


@torch.inference_mode()
def difference(model: OfficialModel, timestep: int) -> Row:
    """Largest and mean difference of the predicted noise, in float32 with whole inputs."""
    pipeline, device = model.pipeline, model.bench.device
    import numpy as np

    from tests.official_rule import normal_input

    from ..official_parity import EVERY_FOURTH, IMAGE
    from ..official_parity import difference as row_of

    x_t, code = normal_input("input/x_t", IMAGE).to(device), normal_input("input/cond", (1, 512)).to(device)
    with tf32(False):
        noise = pipeline.inversion_unet(x_t, timestep, code).sample[EVERY_FOURTH].cpu()
    stored = np.load(GOLDEN / "unet.npz")[f"eps_t{timestep}_s4"]
    row = row_of("predicted noise", noise, stored, ALLOWED)
    return {"worst": row["worst"], "mean": row["mean"], "allowed": ALLOWED, "passed": row["worst"] <= ALLOWED}
