"""The rule by which the reference networks of the engine `directions` were filled, and the authors' files made with it.

Every value follows from a name and a shape, as in `official_rule`; the generator's have scales of their own.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from official_rule import parameter, seeded_generator
from torch import Tensor, nn

from diffusionact.conversion.directions_names import with_our_shape

# What each file's networks are called in manifests.json, and the prefix of their keys for the rule.
PREFIXES = {"g_ema_voxceleb256": "g_ema.", "tiny": "tiny.", "e4e": "e.", "A_matrix": "A_matrix.", "E_flame": "E_flame."}
PRELU_ENDINGS = ("input_layer.2.weight", "res_layer.2.weight")


def official_value(key: str, shape: tuple[int, ...]) -> Tensor:
    """The value of an official parameter, float32; `key` carries its prefix."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if key.endswith(".kernel"):
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        return taps[:, None] * taps / 16  # with the gain 4 of the up convolutions
    scale, offset = _scale(key)
    if scale is None:
        return parameter(key, shape)
    noise = seeded_generator(key).standard_normal(shape)
    return torch.from_numpy((offset + scale * noise).astype(np.float32))


def official_state(manifests: Path, name: str) -> dict[str, Tensor]:
    """A whole state dict of manifests.json, keys as in its own file."""
    return {key: official_value(PREFIXES[name] + key, tuple(shape)) for key, shape, _ in manifest(manifests)[name]}


def load_by_rule(
    network: nn.Module, names: Callable[[nn.Module], dict[str, str]], state: dict[str, Tensor]
) -> nn.Module:
    """Fill a network of ours with an official state dict; buffers that no file holds stay."""
    ours = {mine: with_our_shape(mine, state[theirs]) for theirs, mine in names(network).items()}
    network.load_state_dict(network.state_dict() | ours)
    return network.eval().requires_grad_(False)


def manifest(manifests: Path) -> dict:
    return json.loads(manifests.read_text())


def _scale(key: str) -> tuple[float | None, float]:
    """Factor and offset of the noise; None where the sibling's rule holds."""
    if key.startswith(("g_ema.", "tiny.")):
        return _generator_scale(key)
    if key.startswith("A_matrix."):
        return (0.03 if key.endswith("weight") else 0.02), 0.0
    if key.startswith("e.") and key.endswith(".linear.weight"):
        return 1.0, 0.0
    if key.endswith(PRELU_ENDINGS):
        return 0.05, 0.25
    return None, 0.0


def _generator_scale(key: str) -> tuple[float, float]:
    if "noises.noise_" in key:
        return 1.0, 0.0
    if key.endswith(".noise.weight"):
        return 0.1, 0.0
    if ".style." in key:
        return (100.0 if key.endswith("weight") else 10.0), 0.0
    if key.endswith(".modulation.bias"):
        return 0.1, 1.0
    if key.endswith(".bias"):
        return 0.1, 0.0
    return (0.2 if "to_rgb" in key and key.endswith(".conv.weight") else 1.0), 0.0
