"""Inversion encoder and matrix A give the official code's outputs; reference data in ../shared/golden_fd."""

import numpy as np
import pytest
import torch
from directions_rule import load_by_rule, manifest, official_state
from official_rule import image_input, normal_input

from diffusionact.conversion.directions_names import directions_names, inversion_encoder_names
from diffusionact.models import Directions, InversionEncoder

TINY_ENCODER = {"sample_size": 32, "width": 4, "style_dim": 16, "num_rows": 8}


@pytest.fixture(scope="module")
def directions(golden_fd):
    return load_by_rule(Directions(), directions_names, official_state(golden_fd / "manifests.json", "A_matrix"))


def test_shifts_of_the_latent_code_are_the_official_ones(directions, golden_fd, compare):
    golden = np.load(golden_fd / "directions.npz")
    delta_p = torch.from_numpy(golden["delta_p"])
    compare("A, dw", directions(delta_p), golden["delta_w"], 1e-6)
    compare("A, dw of 0: the bias", directions(torch.zeros(1, 15)), golden["delta_w_of_zero"], 1e-6)
    w_plus = normal_input("input/w_source", (1, 14, 512))
    shifted = directions.shift(w_plus, delta_p[:1])
    assert torch.equal(shifted[:, 8:], w_plus[:, 8:])
    assert torch.equal(shifted[:, :8], w_plus[:, :8] + directions(delta_p[:1]))
    assert directions.shift(w_plus, delta_p).shape == (3, 14, 512)


def test_inversion_encoder_has_the_official_tensors(golden_fd):
    with torch.device("meta"):
        encoder = InversionEncoder()
    names = inversion_encoder_names(encoder)
    official = {key: tuple(shape) for key, shape, _ in manifest(golden_fd / "manifests.json")["e4e"]}
    assert {theirs: tuple(encoder.state_dict()[mine].shape) for theirs, mine in names.items()} == official


def test_first_row_is_the_base_of_all_others():
    torch.manual_seed(0)
    encoder = InversionEncoder(**TINY_ENCODER).eval()
    with torch.no_grad():
        image = torch.rand(2, 3, 32, 32) * 2 - 1
        before = encoder(image)
        encoder.heads[0].linear.bias += 1
        torch.testing.assert_close(encoder(image), before + 1)
        encoder.heads[5].linear.bias += 1
        assert ((encoder(image) - before - 1).abs().amax((0, 2)) > 0.5).nonzero().flatten().tolist() == [5]


@pytest.mark.parametrize("network", [InversionEncoder(**TINY_ENCODER), Directions(5, 3, 16)], ids=["encoder", "A"])
def test_networks_of_the_directions_load_as_saved(network, tmp_path):
    network.eval().save_pretrained(tmp_path)
    loaded = type(network).from_pretrained(tmp_path).eval()
    inputs = torch.rand(1, 5) if isinstance(network, Directions) else torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        # Not bit for bit: where a tensor lies in memory decides which instructions a CPU sums it with.
        torch.testing.assert_close(loaded(inputs), network(inputs))
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in network.state_dict().items())


@pytest.mark.slow
@torch.inference_mode()
def test_the_full_inversion_encoder_gives_the_official_code(golden_fd, compare):
    state = official_state(golden_fd / "manifests.json", "e4e")
    encoder = load_by_rule(InversionEncoder(), inversion_encoder_names, state)
    golden = np.load(golden_fd / "encoder.npz")
    compare("e4e, W+", encoder(image_input("input/image", (1, 3, 256, 256))), golden["w_plus"], 2e-5)
