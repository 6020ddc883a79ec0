"""Means over batches, and the table of metrics."""

import pytest
import torch

from diffusionact.metrics import METRICS, MetricMean, apd, lpips, psnr, tl_id
from diffusionact.metrics.table import Metric


def toy_lpips(images, truth):
    return (images - truth).abs().mean(dim=(1, 2, 3))


def inputs_of(metric: Metric, noise: float):
    """Made-up results with some noise, and their truth."""
    shape = {"images": (5, 3, 16, 16), "landmarks": (5, 68, 2), "head_pose": (5, 3)}.get(metric.needs, (5, 32))
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(shape, generator=generator) * 0.8
    results = truth + noise * torch.randn(shape, generator=generator).clamp(-1, 1)
    network = (toy_lpips,) if metric.function is lpips else ()
    return results.clamp(-1, 1), truth, *network


def measured(metric: Metric, noise: float) -> float:
    mean = MetricMean(metric.function)
    mean.update(*inputs_of(metric, noise))
    return mean.compute()


@pytest.mark.parametrize("name", METRICS)
def test_each_metric_has_the_best_value_and_the_direction_of_the_table(name):
    metric = METRICS[name]
    perfect, good, bad = (measured(metric, noise) for noise in (0.0, 0.02, 0.2))
    assert perfect == pytest.approx(metric.best, abs=1e-6)
    assert (bad < good < perfect) if metric.higher_is_better else (bad > good > perfect)


def test_the_table_has_the_columns_of_the_paper():
    columns = ["PSNR", "SSIM", "CSIM", "LPIPS", "L1", "NME", "APD", "AED", "TL-ID", "TG-ID"]
    assert list(METRICS) == columns


def test_the_mean_over_uneven_batches_is_that_of_one_batch():
    images, truth = inputs_of(METRICS["PSNR"], 0.1)
    in_parts, at_once, in_other_order = MetricMean(psnr), MetricMean(psnr), MetricMean(psnr)
    for start, end in ((0, 1), (1, 4), (4, 5)):
        in_parts.update(images[start:end], truth[start:end])
    at_once.update(images, truth)
    in_other_order.update(images.flip(0), truth.flip(0))
    assert in_parts.count == at_once.count == 5
    assert in_parts.compute() == pytest.approx(at_once.compute(), rel=1e-6)
    assert in_other_order.compute() == pytest.approx(at_once.compute(), rel=1e-6)


def test_a_clip_counts_once_however_long():
    mean = MetricMean(tl_id)
    one_axis, turned = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 3**0.5 / 2]])
    mean.update(one_axis.repeat(9, 1), one_axis.repeat(9, 1))
    mean.update(torch.cat([one_axis, turned]), one_axis.repeat(2, 1))
    assert mean.compute() == pytest.approx((1 + 0.5) / 2)


def test_many_small_values_are_added_up_exactly():
    mean = MetricMean(apd)
    for _ in range(1000):
        mean.update(torch.full((4, 3), 0.1), torch.zeros(4, 3))
    assert mean.compute() == pytest.approx(0.1, rel=1e-6)


def test_nothing_measured_has_no_mean():
    mean = MetricMean(apd)
    mean.update(torch.ones(1, 3), torch.zeros(1, 3))
    mean.reset()
    with pytest.raises(ValueError, match="at least one measured value"):
        mean.compute()
