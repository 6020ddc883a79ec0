"""Samplers by name, on images whose exact way from noise is known."""

import numpy as np
import pytest
import torch
from torch import Tensor

from diffusionact.schedulers import SCHEDULERS, DDIMScheduler, make_scheduler

ALPHA_BAR = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000, dtype=np.float64))
MEAN, DEVIATION = 0.2, 0.15


def predicted_noise(x_t: Tensor, timestep: int) -> Tensor:
    """The perfect network for images whose pixels are drawn from a normal distribution."""
    a = ALPHA_BAR[int(timestep)]
    return (1 - a) ** 0.5 * (x_t - a**0.5 * MEAN) / (a * DEVIATION**2 + 1 - a)


def error(name: str, num_steps: int) -> float:
    """How far a sampler ends from the image that the noise belongs to, root of the mean square."""
    x_T = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    scheduler = make_scheduler(name, DDIMScheduler().config)
    scheduler.set_timesteps(num_steps)
    x_t = x_T
    for timestep in scheduler.timesteps:
        x_t = scheduler.step(predicted_noise(x_t, timestep), timestep, x_t).prev_sample
    exact = MEAN + DEVIATION * x_T  # the last timestep is noise but for a share of 0.006
    return (x_t - exact).square().mean().sqrt().item()


@pytest.mark.parametrize("name", ["dpm", "unipc"])
@pytest.mark.parametrize("num_steps", [6, 10])
def test_few_steps_of_a_solver_beat_twice_as_many_of_ddim(name, num_steps):
    assert error(name, num_steps) < 0.4 * error("ddim", 2 * num_steps)


@pytest.mark.parametrize("name", ["dpm", "unipc"])
@pytest.mark.parametrize("num_steps", [1, 2, 3, 45, 999])
def test_a_solver_takes_any_number_of_steps(name, num_steps):
    assert error(name, num_steps) < DEVIATION * 1.5


@pytest.mark.parametrize("num_steps", [3, 4, 6])
def test_few_quadratic_steps_of_ddim_beat_even_ones(num_steps):
    assert error("ddim_quad", num_steps) < 0.8 * error("ddim", num_steps)


@pytest.mark.parametrize("num_steps", [0, 100, 1000])
def test_quadratic_steps_that_coincide_are_rejected(num_steps):
    with pytest.raises(ValueError, match=f"received {num_steps}. Use fewer"):
        make_scheduler("ddim_quad", DDIMScheduler().config).set_timesteps(num_steps)


@pytest.mark.parametrize("name", ["ddim_quad", "distilled"])
def test_quadratic_steps_do_not_need_1000_timesteps_of_training(name):
    scheduler = make_scheduler(name, DDIMScheduler(num_train_timesteps=100).config)
    scheduler.set_timesteps(3)
    assert scheduler.timesteps.tolist() == [99, 44, 11]


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_step_is_one_call_of_the_network(name):
    scheduler = make_scheduler(name, DDIMScheduler().config)
    scheduler.set_timesteps(10)
    assert len(scheduler.timesteps) == 10


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="Choose one of them"):
        make_scheduler("euler", DDIMScheduler().config)
