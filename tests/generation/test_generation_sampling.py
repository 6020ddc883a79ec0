"""The sampling loops, conditioning, and presets in model_index.json."""

from pathlib import Path

import pytest
import torch
from diffusers import UniPCMultistepScheduler
from tiny_model import make_tiny_components, make_tiny_unet

from diffusionact.generation import DEFAULT_PRESETS, Conditioning, DiffusionEngine, Sampling
from diffusionact.generation.sampling import invert, presets_from_json, presets_to_json, sample
from diffusionact.schedulers import DDIMScheduler


def constant(x_t, timestep, conditioning):
    """Predicts the noise that its conditioning says."""
    return conditioning["noise"].expand_as(x_t)


@pytest.fixture
def noise():
    return Conditioning({"noise": torch.linspace(-1, 1, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)})


def test_conditioning_has_rows_and_names():
    conditioning = Conditioning({"a": torch.arange(3), "b": torch.zeros(3, 2)})
    assert len(conditioning) == 3
    assert torch.equal(conditioning.rows(slice(1, 3))["a"], torch.tensor([1, 2]))
    assert len(conditioning.rows(torch.tensor([0, 0, 2, 1]))) == 4


@pytest.mark.parametrize("tensors", [{}, {"a": torch.zeros(2), "b": torch.zeros(3)}])
def test_conditioning_rejects_unequal_rows(tensors):
    with pytest.raises(ValueError, match="one row per frame"):
        Conditioning(tensors)


def test_sampling_undoes_inversion(noise):
    scheduler, image = DDIMScheduler(clip_sample=False), torch.rand(2, 3, 4, 4) - 0.5
    x_T = invert(constant, scheduler, image, noise, 20)
    # The last step of the inversion returns the noise itself, so one step from there finds the image's direction only.
    assert torch.allclose(x_T, noise["noise"], atol=1e-5)
    scheduler.set_timesteps(20)
    x_t = scheduler.add_noise(image, noise["noise"], torch.tensor([950, 950]))
    for timestep in scheduler.timesteps:
        x_t = scheduler.step(constant(x_t, timestep, noise), timestep, x_t).prev_sample
    torch.testing.assert_close(x_t, image, atol=1e-4, rtol=0)


def test_every_step_is_reported_with_a_preview(noise):
    calls, previews = [], []
    sample(constant, DDIMScheduler(), noise["noise"], noise, 4, lambda *step: calls.append(step), previews.append)
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert all(preview.shape == (2, 3, 4, 4) for preview in previews) and len(previews) == 4


def test_solvers_of_diffusers_have_previews_too(noise):
    previews = []
    sample(constant, UniPCMultistepScheduler(), noise["noise"], noise, 3, on_preview=previews.append)
    assert len(previews) == 3 and torch.isfinite(torch.stack(previews)).all()


def test_sample_is_differentiable():
    unet, x_T = make_tiny_unet(), torch.randn(1, 3, 32, 32)
    code = torch.randn(1, 16, requires_grad=True)

    def model(x_t, timestep, conditioning):
        return unet(x_t, timestep, **conditioning.tensors).sample

    sample(model, DDIMScheduler(), x_T, Conditioning({"semantic_code": code}), 2).mean().backward()
    assert code.grad.abs().sum() > 0


def test_presets_survive_json():
    assert presets_from_json(presets_to_json(DEFAULT_PRESETS), Path("model_index.json")) == DEFAULT_PRESETS


@pytest.mark.parametrize("content", [[], {"fast": "dpm"}, {"fast": ["dpm", 0]}, {"fast": ["nothing", 3]}])
def test_wrong_presets_are_rejected(content):
    with pytest.raises(ValueError, match="model_index.json"):
        presets_from_json(content, Path("model_index.json"))


def test_an_impossible_sampling_is_found_beforehand():
    engine = DiffusionEngine(make_tiny_components())
    engine.check_sampling(Sampling(20, "dpm"))
    with pytest.raises(ValueError, match="steps"):
        engine.check_sampling(Sampling(600))
