"""A model's decoder of few steps: which sampler takes it, and its way through a model folder."""

from dataclasses import replace

import pytest
import torch
from tiny_model import make_tiny_components, make_tiny_unet

from diffusionact.generation import DiffusionEngine, Sampling, load_components, save_components


@pytest.fixture(scope="module")
def components():
    return replace(make_tiny_components(), distilled_unet=make_tiny_unet(seed=5))


@pytest.fixture
def codes():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 32, 32, generator=generator), torch.randn(2, 16, generator=generator)


def test_only_its_own_sampler_decodes_with_the_distilled_unet(components, codes):
    engine = DiffusionEngine(components)
    student = DiffusionEngine(replace(components, unet=components.distilled_unet))
    assert torch.equal(engine.sample(*codes, 2, "distilled"), student.sample(*codes, 2, "ddim_quad"))
    assert not torch.equal(engine.sample(*codes, 2, "ddim_quad"), student.sample(*codes, 2, "ddim_quad"))


def test_a_model_without_a_distilled_unet_says_so_beforehand():
    engine = DiffusionEngine(make_tiny_components())
    with pytest.raises(ValueError, match="a decoder of few steps.*Choose ddim_quad"):
        engine.check_sampling(Sampling(2, "distilled"))


def test_a_distilled_unet_travels_in_the_model_folder(components, codes, tmp_path):
    presets = {"fast": Sampling(2, "distilled")}
    save_components(replace(components, config=replace(components.config, presets=presets)), tmp_path / "model")
    loaded = DiffusionEngine(load_components(tmp_path / "model"))
    assert loaded.presets == presets and len(loaded.modules) == 4
    expected = DiffusionEngine(components).sample(*codes, 2, "distilled")
    assert torch.equal(loaded.sample(*codes, 2, "distilled"), expected)
