"""2D-FAN-4: the official heat maps, batches and gradients."""

import pytest
import torch
from official_rule import unit_input

from diffusionact.face.readers.emoca.landmark_net import LandmarkNet


@pytest.fixture(scope="module")
def small_net() -> LandmarkNet:
    torch.manual_seed(0)
    return LandmarkNet(width=4).eval()


@pytest.mark.slow
def test_heat_maps_agree_with_the_official_network(official_network, golden_of, compare):
    golden, network = golden_of("face"), official_network("landmark_net")
    first, *_, last = network.all_heatmaps(unit_input("input/fan", (1, 3, 256, 256)))
    compare("2D-FAN first stack", first[..., ::8, ::8], golden["fan_heatmap_first_s8"], 1e-4)
    # Random weights let the last stack grow to thousands: the tolerance is one in a million of its range.
    reference = golden["fan_heatmap_last_s4"]
    compare("2D-FAN last stack, share of range", last[..., ::4, ::4] / 5313.7, reference / 5313.7, 2e-6)


def test_a_batch_gives_the_maps_of_its_single_images(small_net):
    images = torch.rand(2, 3, 256, 256)
    both = small_net(images)
    assert both.shape == (2, 68, 64, 64)
    singles = torch.cat([small_net(image[None]) for image in images])
    assert torch.allclose(both, singles, atol=1e-4)


def test_gradients_of_all_stacks_reach_the_image(small_net):
    image = torch.rand(1, 3, 256, 256, requires_grad=True)
    sum(maps.mean() for maps in small_net.all_heatmaps(image)).backward()
    assert torch.isfinite(image.grad).all() and image.grad.abs().sum() > 0


def test_gradient_reaches_every_weight():
    network = LandmarkNet(width=4)
    network(torch.rand(2, 3, 256, 256)).square().mean().backward()
    assert all(weight.grad is not None for weight in network.parameters())
