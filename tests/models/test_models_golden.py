"""Tiny networks with weights by rule keep giving the recorded numbers.

`golden_tiny.json` was written, in float64, when the full-size networks met the official outputs. After a deliberate
change of the arithmetic, and after the slow tests of tests/conversion have passed, write it anew with
`PYTHONPATH=.:tests python tests/models/test_models_golden.py`.
"""

import json
from pathlib import Path

import pytest
import torch
from official_rule import image_input, normal_input, state_dict
from tiny_model import SEMANTIC_DIM, make_tiny_encoder, make_tiny_unet

from diffusionact.models import ReenactmentEncoder, SemanticEncoder

GOLDEN = Path(__file__).with_name("golden_tiny.json")
SIZE = 16


def by_rule(network: torch.nn.Module) -> torch.nn.Module:
    """Fill a network by the rule, under our own key names."""
    shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    network.load_state_dict(state_dict(shapes))
    return network


@torch.inference_mode()
def outputs(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The output of every network, flattened."""
    shape = (1, 3, SIZE, SIZE)
    x_t, image, landmark_map = (normal_input("x_t", shape), image_input("image", shape), image_input("map", shape))
    code = normal_input("code", (1, SEMANTIC_DIM))
    x_t, image, landmark_map, code = (tensor.to(dtype) for tensor in (x_t, image, landmark_map, code))
    answers = {}
    for patch_size in (1, 2):
        unet = by_rule(make_tiny_unet(SIZE, patch_size)).to(dtype=dtype)
        for timestep in (0, 500):
            answers[f"unet, patch {patch_size}, t = {timestep}"] = unet(x_t, timestep, code).sample
        semantic = by_rule(make_tiny_encoder(SemanticEncoder, SIZE, patch_size)).to(dtype=dtype)
        answers[f"semantic encoder, patch {patch_size}"] = semantic(image)
        reenactment = by_rule(make_tiny_encoder(ReenactmentEncoder, SIZE, patch_size)).to(dtype=dtype)
        answers[f"reenactment encoder, patch {patch_size}"] = reenactment(image, landmark_map)
    return {name: answer.flatten() for name, answer in answers.items()}


def summary(answer: torch.Tensor) -> dict[str, object]:
    """A few values and two figures of all of them, which any change of the arithmetic moves."""
    return {
        "values": [round(value, 8) for value in answer[:: max(1, answer.numel() // 8)][:8].tolist()],
        "mean": round(answer.mean().item(), 8),
        "norm": round(answer.norm().item(), 8),
    }


def test_tiny_networks_give_the_recorded_numbers():
    golden = json.loads(GOLDEN.read_text())
    answers = outputs(torch.float32)
    assert answers.keys() == golden.keys()
    for name, answer in answers.items():
        received = summary(answer)
        assert received["values"] == pytest.approx(golden[name]["values"], abs=1e-5), name
        assert received["mean"] == pytest.approx(golden[name]["mean"], abs=1e-5), name
        assert received["norm"] == pytest.approx(golden[name]["norm"], rel=1e-5), name


if __name__ == "__main__":
    recorded = {name: summary(answer) for name, answer in outputs(torch.float64).items()}
    GOLDEN.write_text(json.dumps(recorded, indent=1) + "\n")
