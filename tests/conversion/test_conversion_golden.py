"""Converted weights of full size give the official code's outputs: networks, then inversion and decoding by steps.

One file, as the weights take long to be written, converted and loaded, which is done once in a process.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from official_rule import image_input, normal_input, parameter
from torch import Tensor

from diffusionact.face.pose.landmark_map import draw_landmark_map
from diffusionact.pipelines import DiffusionActPipeline
from diffusionact.schedulers import DDIMScheduler

pytestmark = pytest.mark.usefixtures("two_threads")
IMAGE = (1, 3, 256, 256)
QUARTER = (slice(None), slice(None), slice(None, None, 4), slice(None, None, 4))
EIGHTH = (slice(None), slice(None), slice(None, None, 8), slice(None, None, 8))


def test_weights_by_rule_are_those_of_the_reference(golden_dir):
    probe = json.loads((golden_dir / "rule_probe.json").read_text())
    for key, expected in probe.items():
        tensor = parameter(key, tuple(expected["shape"]))
        assert tensor.flatten()[:4].tolist() == expected["first4"]
        assert tensor.double().sum().item() == pytest.approx(expected["sum"], abs=1e-9)


@pytest.mark.slow
def test_converted_networks_have_the_official_size(official_components, golden_dir):
    counts = json.loads((golden_dir / "manifests.json").read_text())["counts"]
    expected = {"unet": "unet_params", "semantic_encoder": "encoder_params", "reenactment_encoder": "net_params"}
    for name, count in expected.items():
        parameters = getattr(official_components, name).parameters()
        assert sum(parameter.numel() for parameter in parameters) == counts[count]
    assert official_components.inversion_unet is not official_components.unet


@pytest.mark.slow
@torch.inference_mode()
def test_semantic_encoder_gives_the_official_codes(official_components, golden_dir, compare):
    golden = np.load(golden_dir / "encoder.npz")
    code = official_components.semantic_encoder(image_input("input/image", IMAGE))
    compare("semantic encoder, z", code, golden["z_sem"], 1e-5)


@pytest.mark.slow
@torch.inference_mode()
def test_reenactment_encoder_gives_the_official_codes(official_components, golden_dir, compare):
    golden = np.load(golden_dir / "encoder.npz")
    # The reference calls the subject's right eye, points 36-41, left.
    pupils = np.stack([golden["stick_left_eye"], golden["stick_right_eye"]], axis=1)
    landmark_map = draw_landmark_map(torch.from_numpy(golden["stick_landmarks"]), torch.from_numpy(pupils).float(), 256)
    code = official_components.reenactment_encoder(image_input("input/image", IMAGE), landmark_map)
    compare("reenactment encoder, z", code, golden["z_reenact"], 1e-5)


@pytest.mark.slow
@torch.inference_mode()
def test_time_embedding_is_the_official_one(official_components, golden_dir, compare):
    sinusoid = official_components.unet.time_sinusoid(torch.tensor([0, 49, 500, 999]))
    # Angles up to 999 in float32 are rounded to 6e-5, and exp() differs in the last bit between machines.
    compare("time embedding", sinusoid, np.load(golden_dir / "unet.npz")["temb"], 1e-4)


@pytest.mark.slow
@torch.inference_mode()
def test_unet_gives_the_official_noise(official_components, golden_dir, compare):
    """In the middle, every pixel; the first and last timesteps are in the batch below and in the loops."""
    golden = np.load(golden_dir / "unet.npz")
    x_t, code = normal_input("input/x_t", IMAGE), normal_input("input/cond", (1, 512))
    eps = official_components.inversion_unet(x_t, 500, code).sample
    compare("UNet, eps at t = 500", eps, golden["eps_t500_full"], 5e-5)


@pytest.mark.slow
@torch.inference_mode()
def test_unet_gives_the_official_noise_for_a_batch_with_two_timesteps(official_components, golden_dir, compare):
    golden = np.load(golden_dir / "unet.npz")
    x_t, codes = normal_input("input/x_t2", (2, 3, 256, 256)), normal_input("input/cond2", (2, 512))
    eps = official_components.inversion_unet(x_t, torch.tensor([49, 950]), codes).sample
    compare("UNet, eps of a batch, t = 49 and 950", eps[QUARTER], golden["eps_batch2_t49_t950_s4"], 5e-5)


@pytest.fixture(scope="module")
def loops(golden_dir):
    return np.load(golden_dir / "loops.npz")


@pytest.fixture(scope="module")
def image():
    return image_input("input/image", (1, 3, 256, 256))


def landmark_map(loops, whose: str) -> Tensor:
    landmarks = torch.from_numpy(loops[f"landmarks_{whose}"])[None]
    # The reference calls the subject's right eye, points 36-41, left.
    pupils = np.stack([loops[f"left_eye_{whose}"], loops[f"right_eye_{whose}"]])[None]
    return draw_landmark_map(landmarks, torch.from_numpy(pupils).float(), 256)


@pytest.mark.slow
@torch.inference_mode()
def test_source_and_edited_codes_are_the_official_ones(official_components, loops, image, compare):
    encoder = official_components.reenactment_encoder
    for whose, name in (("source", "z_source_hat"), ("target", "z_edit")):
        compare(f"z of the {whose}'s pose", encoder(image, landmark_map(loops, whose)), loops[name], 1e-5)


@pytest.fixture(scope="module")
def inversion_steps(official_components, loops, image, two_threads):
    """x_t and x_0 after each of five inversion steps, and the last x_t."""
    scheduler, x_t, steps = DDIMScheduler(), image, []
    scheduler.set_timesteps(5)
    code = torch.from_numpy(loops["z_source_hat"])
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


@pytest.mark.slow
def test_inversion_passes_through_the_official_images(inversion_steps, loops, compare):
    for index, (x_t, x_0) in enumerate(inversion_steps):
        compare(f"inversion step {index + 1} of 5, x_t", x_t[EIGHTH], loops[f"enc_sample{index}_s8"], 2e-4)
        # x_0 magnifies differences of x_t and eps by up to 1 / sqrt(alpha_bar), 26 in the last step.
        compare(f"inversion step {index + 1} of 5, x_0", x_0[EIGHTH], loops[f"enc_x0_{index}_s8"], 2e-3)


@pytest.mark.slow
def test_inversion_ends_at_the_official_stochastic_code(inversion_steps, loops, compare):
    compare("x_T after 5 inversion steps", inversion_steps[-1][0], loops["xT"], 2e-4)


@pytest.mark.slow
def test_decoding_passes_through_the_official_images(official_components, loops, compare):
    x_T, code = torch.from_numpy(loops["xT"]), torch.from_numpy(loops["z_edit"])
    steps = decode(official_components.unet, x_T, code, 5)
    for index, (x_t, x_0) in enumerate(steps):
        compare(f"decoding step {index + 1} of 5, x_t", x_t[EIGHTH], loops[f"dec_sample{index}_s8"], 2e-3, 1e-5)
        compare(f"decoding step {index + 1} of 5, x_0", x_0[EIGHTH], loops[f"dec_x0_{index}_s8"], 2e-3, 1e-5)
    compare("image after 5 decoding steps", steps[-1][0], loops["final"], 2e-3, 1e-5)


@pytest.mark.slow
def test_pipeline_without_fine_tuning_gives_the_official_image(official_components, loops, compare):
    pipeline = DiffusionActPipeline(replace(official_components, unet=official_components.inversion_unet))
    image = pipeline.sample(torch.from_numpy(loops["xT"]), torch.from_numpy(loops["z_source_hat"]), 2)
    compare("image after 2 decoding steps, EMA", image[..., ::4, ::4], loops["decode_T2_ema_z_source_s4"], 2e-3)
