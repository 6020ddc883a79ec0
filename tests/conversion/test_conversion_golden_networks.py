"""Full-size networks with converted weights give the official code's outputs."""

import json

import numpy as np
import pytest
import torch
from official_rule import image_input, normal_input, parameter

from diffusionact.face.pose.landmark_map import draw_landmark_map

pytestmark = pytest.mark.usefixtures("two_threads")
IMAGE = (1, 3, 256, 256)
FRACTION = (slice(None), slice(None), slice(None, None, 4), slice(None, None, 4))


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
@pytest.mark.parametrize("timestep", [0, 49, 500, 999])
@torch.inference_mode()
def test_unet_gives_the_official_noise(official_components, golden_dir, compare, timestep):
    golden = np.load(golden_dir / "unet.npz")
    x_t, code = normal_input("input/x_t", IMAGE), normal_input("input/cond", (1, 512))
    eps = official_components.inversion_unet(x_t, timestep, code).sample
    compare(f"UNet, eps at t = {timestep}", eps[FRACTION], golden[f"eps_t{timestep}_s4"], 5e-5)
    if timestep == 500:
        compare("UNet, eps at t = 500, every pixel", eps, golden["eps_t500_full"], 5e-5)


@pytest.mark.slow
@torch.inference_mode()
def test_unet_gives_the_official_noise_for_a_batch_with_two_timesteps(official_components, golden_dir, compare):
    golden = np.load(golden_dir / "unet.npz")
    x_t, codes = normal_input("input/x_t2", (2, 3, 256, 256)), normal_input("input/cond2", (2, 512))
    eps = official_components.inversion_unet(x_t, torch.tensor([49, 950]), codes).sample
    compare("UNet, eps of a batch, t = 49 and 950", eps[FRACTION], golden["eps_batch2_t49_t950_s4"], 5e-5)
