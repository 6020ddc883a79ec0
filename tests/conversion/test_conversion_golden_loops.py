"""Inversion and decoding with converted weights give the official code's images, step by step."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from official_rule import image_input
from torch import Tensor

from diffusionact.face.pose.landmark_map import draw_landmark_map
from diffusionact.pipelines import DiffusionActPipeline
from diffusionact.schedulers import DDIMScheduler

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("two_threads")]
FRACTION = (slice(None), slice(None), slice(None, None, 8), slice(None, None, 8))


@pytest.fixture(scope="module")
def golden(golden_dir):
    return np.load(golden_dir / "loops.npz")


@pytest.fixture(scope="module")
def image():
    return image_input("input/image", (1, 3, 256, 256))


def landmark_map(golden, whose: str) -> Tensor:
    landmarks = torch.from_numpy(golden[f"landmarks_{whose}"])[None]
    # The reference calls the subject's right eye, points 36-41, left.
    pupils = np.stack([golden[f"left_eye_{whose}"], golden[f"right_eye_{whose}"]])[None]
    return draw_landmark_map(landmarks, torch.from_numpy(pupils).float(), 256)


@torch.inference_mode()
def test_source_and_edited_codes_are_the_official_ones(official_components, golden, image, compare):
    encoder = official_components.reenactment_encoder
    for whose, name in (("source", "z_source_hat"), ("target", "z_edit")):
        compare(f"z of the {whose}'s pose", encoder(image, landmark_map(golden, whose)), golden[name], 1e-5)


@pytest.fixture(scope="module")
def inversion_steps(official_components, golden, image, two_threads):
    """x_t and x_0 after each of five inversion steps, and the last x_t."""
    scheduler, x_t, steps = DDIMScheduler(), image, []
    scheduler.set_timesteps(5)
    code = torch.from_numpy(golden["z_source_hat"])
    with torch.inference_mode():
        for timestep in scheduler.inversion_timesteps:
            eps = official_components.inversion_unet(x_t, timestep, code).sample
            x_t, x_0 = scheduler.reverse_step(eps, timestep, x_t, return_dict=False)
            steps.append((x_t, x_0))
    return steps


def decode(unet, x_t: Tensor, code: Tensor, num_steps: int) -> list[tuple[Tensor, Tensor]]:
    scheduler, steps = DDIMScheduler(), []
    scheduler.set_timesteps(num_steps)
    with torch.inference_mode():
        for timestep in scheduler.timesteps:
            x_t, x_0 = scheduler.step(unet(x_t, timestep, code).sample, timestep, x_t, return_dict=False)
            steps.append((x_t, x_0))
    return steps


def test_inversion_passes_through_the_official_images(inversion_steps, golden, compare):
    for index, (x_t, x_0) in enumerate(inversion_steps):
        compare(f"inversion step {index + 1} of 5, x_t", x_t[FRACTION], golden[f"enc_sample{index}_s8"], 2e-4)
        # x_0 magnifies differences of x_t and eps by up to 1 / sqrt(alpha_bar), 26 in the last step.
        compare(f"inversion step {index + 1} of 5, x_0", x_0[FRACTION], golden[f"enc_x0_{index}_s8"], 2e-3)


def test_inversion_ends_at_the_official_stochastic_code(inversion_steps, golden, compare):
    compare("x_T after 5 inversion steps", inversion_steps[-1][0], golden["xT"], 2e-4)


def test_decoding_passes_through_the_official_images(official_components, golden, compare):
    x_T, code = torch.from_numpy(golden["xT"]), torch.from_numpy(golden["z_edit"])
    steps = decode(official_components.unet, x_T, code, 5)
    for index, (x_t, x_0) in enumerate(steps):
        compare(f"decoding step {index + 1} of 5, x_t", x_t[FRACTION], golden[f"dec_sample{index}_s8"], 2e-3, 1e-5)
        compare(f"decoding step {index + 1} of 5, x_0", x_0[FRACTION], golden[f"dec_x0_{index}_s8"], 2e-3, 1e-5)
    compare("image after 5 decoding steps", steps[-1][0], golden["final"], 2e-3, 1e-5)


def test_pipeline_without_fine_tuning_gives_the_official_image(official_components, golden, compare):
    pipeline = DiffusionActPipeline(replace(official_components, unet=official_components.inversion_unet))
    image = pipeline.sample(torch.from_numpy(golden["xT"]), torch.from_numpy(golden["z_source_hat"]), 2)
    compare("image after 2 decoding steps, EMA", image[..., ::4, ::4], golden["decode_T2_ema_z_source_s4"], 2e-3)
