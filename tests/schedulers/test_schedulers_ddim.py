"""DDIM in both directions against a recurrence in double precision and against diffusers."""

import json
import math

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler as DiffusersDDIMScheduler
from torch import Tensor

from diffusionact.schedulers import DDIMScheduler
from diffusionact.schedulers.ddim import QuadraticDDIMScheduler, stride_for

SHAPE = (2, 3, 8, 8)
BETAS = np.linspace(1e-4, 0.02, 1000, dtype=np.float64)
ALPHA_BAR = np.cumprod(1 - BETAS)


def noise(seed: int = 0) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def network(x_t: Tensor, timestep: int) -> Tensor:
    """A smooth function in place of a UNet, so that errors are of the scheduler alone."""
    return torch.tanh(x_t * (0.4 + int(timestep) / 2000)) + 0.1


def reference_loop(x_t: Tensor, num_steps: int, towards_noise: bool, clip: bool = True) -> Tensor:
    """The recurrence of the official code in double precision."""
    x_t = x_t.double()
    stride = next(s for s in range(1, 1000) if math.ceil(1000 / s) == num_steps)
    timesteps = list(range(0, 1000, stride))
    for timestep in timesteps if towards_noise else reversed(timesteps):
        a = ALPHA_BAR[timestep]
        if towards_noise:
            target = ALPHA_BAR[timestep + stride] if timestep + stride < 1000 else 0.0
        else:
            target = ALPHA_BAR[timestep - stride] if timestep >= stride else 1.0
        x_0 = math.sqrt(1 / a) * x_t - math.sqrt(1 / a - 1) * network(x_t, timestep)
        x_0 = x_0.clamp(-1, 1) if clip else x_0
        eps = (math.sqrt(1 / a) * x_t - x_0) / math.sqrt(1 / a - 1)
        x_t = math.sqrt(target) * x_0 + math.sqrt(1 - target) * eps
    return x_t


def run(scheduler: DDIMScheduler, x_t: Tensor, num_steps: int, towards_noise: bool) -> Tensor:
    scheduler.set_timesteps(num_steps)
    step = scheduler.reverse_step if towards_noise else scheduler.step
    for timestep in scheduler.inversion_timesteps if towards_noise else scheduler.timesteps:
        x_t = step(network(x_t, timestep), timestep, x_t).prev_sample
    return x_t


@pytest.mark.parametrize("num_steps", [2, 5, 20, 50, 30, 1000])
@pytest.mark.parametrize("towards_noise", [True, False])
def test_loops_equal_the_recurrence_in_double_precision(num_steps, towards_noise):
    start = noise().clamp(-1, 1) if towards_noise else noise()
    ours = run(DDIMScheduler(), start, num_steps, towards_noise)
    torch.testing.assert_close(ours.double(), reference_loop(start, num_steps, towards_noise), atol=3e-5, rtol=0)


def test_clipping_can_be_left_out():
    ours = run(DDIMScheduler(clip_sample=False), noise(), 20, False)
    unclipped = reference_loop(noise(), 20, False, clip=False)
    torch.testing.assert_close(ours.double(), unclipped, atol=1e-4, rtol=1e-4)
    assert (unclipped - reference_loop(noise(), 20, False)).abs().max() > 0.1


@pytest.mark.parametrize("num_steps", [2, 4, 20, 50])
def test_inversion_then_decoding_of_constant_noise_returns_the_image(num_steps):
    scheduler = DDIMScheduler(clip_sample=False)
    scheduler.set_timesteps(num_steps)
    image, eps = noise(1).clamp(-0.9, 0.9), noise(2)
    x_t = scheduler.add_noise(image, eps, torch.zeros(len(image), dtype=torch.long))
    start = x_t
    for timestep in scheduler.inversion_timesteps[:-1]:
        x_t = scheduler.reverse_step(eps, timestep, x_t).prev_sample
    for timestep in scheduler.timesteps[:-1]:
        x_t = scheduler.step(eps, timestep, x_t).prev_sample
    torch.testing.assert_close(x_t, start, atol=1e-3, rtol=0)
    final = scheduler.step(eps, 0, x_t)
    torch.testing.assert_close(final.prev_sample, image, atol=1e-3, rtol=0)
    assert torch.equal(final.prev_sample, final.pred_original_sample)


def test_last_inversion_step_returns_the_noise():
    scheduler = DDIMScheduler(clip_sample=False)
    scheduler.set_timesteps(20)
    x_t, eps = noise(3), noise(4)
    torch.testing.assert_close(scheduler.reverse_step(eps, 950, x_t).prev_sample, eps, atol=1e-5, rtol=0)


@pytest.mark.parametrize("num_steps", [5, 20, 50, 100])
def test_decoding_equals_diffusers(num_steps):
    ours, theirs = DDIMScheduler(), DiffusersDDIMScheduler.from_config(dict(DDIMScheduler().config))
    ours.set_timesteps(num_steps)
    theirs.set_timesteps(num_steps)
    assert ours.timesteps.tolist() == theirs.timesteps.tolist()
    x_ours = x_theirs = noise()
    for timestep in ours.timesteps:
        x_ours = ours.step(network(x_ours, timestep), timestep, x_ours).prev_sample
        answer = network(x_theirs, timestep)
        x_theirs = theirs.step(answer, timestep, x_theirs, eta=0.0, use_clipped_model_output=True).prev_sample
    torch.testing.assert_close(x_ours, x_theirs, atol=1e-5 * max(1.0, x_theirs.abs().max().item()), rtol=0)


def test_saved_config_loads_in_diffusers_and_back(tmp_path):
    DDIMScheduler(prediction_type="v_prediction").save_pretrained(tmp_path)
    theirs = DiffusersDDIMScheduler.from_pretrained(tmp_path)
    assert theirs.config.prediction_type == "v_prediction" and theirs.config.timestep_spacing == "leading"
    again = DDIMScheduler.from_pretrained(tmp_path)
    assert dict(again.config).items() >= {"prediction_type": "v_prediction", "clip_sample": True}.items()


@pytest.mark.parametrize("direction", ["step", "reverse_step"])
def test_v_prediction_equals_epsilon(direction):
    x_0, eps = noise(5).clamp(-0.9, 0.9), noise(6)
    by_eps, by_v = DDIMScheduler(), DDIMScheduler(prediction_type="v_prediction")
    for timestep in by_eps.timesteps.tolist():
        at = torch.full((len(x_0),), timestep)
        x_t, v = by_eps.add_noise(x_0, eps, at), by_v.get_velocity(x_0, eps, at)
        expected = getattr(by_eps, direction)(eps, timestep, x_t)
        received = getattr(by_v, direction)(v, timestep, x_t)
        # At the noisy end x_0 by epsilon is x_t / sqrt(alpha_bar): float32 leaves a few thousandths of it.
        torch.testing.assert_close(received.pred_original_sample, x_0, atol=1e-5, rtol=0)
        torch.testing.assert_close(received.prev_sample, expected.prev_sample, atol=2e-4, rtol=0)


def test_timesteps_go_down_for_decoding_and_up_for_inversion():
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(4)
    assert scheduler.timesteps.tolist() == [750, 500, 250, 0]
    assert scheduler.inversion_timesteps.tolist() == [0, 250, 500, 750]
    scheduler.set_timesteps(30)
    assert scheduler.timesteps[:2].tolist() == [986, 952]
    quadratic = QuadraticDDIMScheduler()
    quadratic.set_timesteps(3)
    assert quadratic.timesteps.tolist() == [999, 444, 111]


@pytest.mark.parametrize("num_steps", [60, 75, 333])
def test_step_counts_without_a_stride_are_refused_with_a_near_one(num_steps):
    with pytest.raises(ValueError, match=rf"Expected a number of steps .*received {num_steps}\..*use \d+ instead"):
        DDIMScheduler().set_timesteps(num_steps)


@pytest.mark.parametrize("num_steps", [0, -1, 1001])
def test_step_counts_outside_the_schedule_are_refused(num_steps):
    with pytest.raises(ValueError, match=f"received {num_steps}"):
        DDIMScheduler().set_timesteps(num_steps)


@pytest.mark.parametrize("num_steps", [1, 2, 3, 6, 7, 8, 10, 20, 25, 30, 50, 100, 143, 200, 250, 500, 1000])
def test_stride_is_the_smallest_that_gives_the_count(num_steps):
    expected = next(s for s in range(1, 1001) if math.ceil(1000 / s) == num_steps)
    assert stride_for(num_steps, 1000) == expected


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="Expected prediction_type .*received 'sample'"):
        DDIMScheduler(prediction_type="sample")
    with pytest.raises(ValueError, match="received .*'cosine'"):
        DDIMScheduler(beta_schedule="cosine")


def test_schedules_are_the_official_ones(golden_dir):
    golden = json.loads((golden_dir / "schedule.json").read_text())
    for num_steps in (5, 8, 10, 20, 50, 100):
        expected = golden[str(num_steps)]
        scheduler = DDIMScheduler()
        scheduler.set_timesteps(num_steps)
        timesteps = scheduler.inversion_timesteps
        assert timesteps.tolist() == expected["timesteps"]
        ours = scheduler.alphas_cumprod[timesteps]
        assert ours.dtype == torch.float64
        # The official code rebuilds alpha_bar from the betas of the subset, which rounds the last bits.
        torch.testing.assert_close(
            ours, torch.tensor(expected["alphas_cumprod"], dtype=torch.float64), rtol=1e-12, atol=0
        )
        following, previous = expected["alphas_cumprod_next"], expected["alphas_cumprod_prev"]
        assert following[:-1] == expected["alphas_cumprod"][1:] and following[-1] == 0.0
        assert previous[1:] == expected["alphas_cumprod"][:-1] and previous[0] == 1.0
