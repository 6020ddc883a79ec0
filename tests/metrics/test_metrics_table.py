"""The table of metrics: each has the direction that it says, and is perfect where results equal the truth."""

import math

import pytest
import torch

from diffusionact.metrics import METRICS, lpips
from diffusionact.metrics.table import Metric

# What results equal to the truth score.
BEST = {"PSNR": math.inf, "SSIM": 1.0, "CSIM": 1.0, "TL-ID": 1.0, "TG-ID": 1.0}
SHAPES = {"NME": (5, 68, 2), "APD": (5, 3)} | dict.fromkeys(("PSNR", "SSIM", "LPIPS", "L1"), (5, 3, 16, 16))
EMBEDDINGS = (5, 32)


def toy_lpips(images, truth):
    return (images - truth).abs().mean(dim=(1, 2, 3))


def measured(name: str, metric: Metric, noise: float) -> float:
    """Mean of made-up results with some noise."""
    shape = SHAPES.get(name, EMBEDDINGS)
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(shape, generator=generator) * 0.8
    results = truth + noise * torch.randn(shape, generator=generator).clamp(-1, 1)
    network = (toy_lpips,) if metric.function is lpips else ()
    return metric.function(results.clamp(-1, 1), truth, *network).mean().item()


@pytest.mark.parametrize("name", METRICS)
def test_each_metric_is_perfect_at_equality_and_worse_with_noise(name):
    metric = METRICS[name]
    perfect, good, bad = (measured(name, metric, noise) for noise in (0.0, 0.02, 0.2))
    assert perfect == pytest.approx(BEST.get(name, 0.0), abs=1e-6)
    assert (bad < good < perfect) if metric.higher_is_better else (bad > good > perfect)


def test_the_table_has_the_columns_of_the_paper():
    columns = ["PSNR", "SSIM", "CSIM", "LPIPS", "L1", "NME", "APD", "AED", "TL-ID", "TG-ID"]
    assert list(METRICS) == columns
