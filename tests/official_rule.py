"""The rule by which reference networks and inputs were filled, and checkpoints in the authors' layout made with it.

Every value follows from a name and a shape: PCG64 seeded with crc32(name). The reference outputs were computed by the
official code with weights filled in this way.
"""

import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def parameter(key: str, shape: tuple[int, ...]) -> Tensor:
    """The value of an official parameter, float32; `key` carries the holder's prefix, such as `ema_model.`.

    Counters of training steps, which are whole numbers, are zero.
    """
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    noise = seeded_generator(key).standard_normal(shape)
    if len(shape) >= 2:
        noise /= math.sqrt(math.prod(shape[1:]))
    elif key.endswith("running_var"):
        noise = 1 + 0.1 * np.abs(noise)
    elif key.endswith(".weight"):
        noise = 1 + 0.1 * noise
    else:
        noise *= 0.05
    return torch.from_numpy(noise.astype(np.float32))


def normal_input(name: str, shape: tuple[int, ...]) -> Tensor:
    """A reference input of normal noise, float32."""
    return torch.from_numpy(seeded_generator(name).standard_normal(shape).astype(np.float32))


def image_input(name: str, shape: tuple[int, ...]) -> Tensor:
    """A reference image of uniform noise in [-1, 1], float32."""
    return torch.from_numpy((2 * seeded_generator(name).random(shape) - 1).astype(np.float32))


def state_dict(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Fill a whole state dict by the rule."""
    return {key: parameter(key, tuple(shape)) for key, shape in shapes.items()}


def unit_input(name: str, shape: tuple[int, ...]) -> Tensor:
    """A reference input of uniform noise in [0, 1), float32."""
    return torch.from_numpy(seeded_generator(name).random(shape).astype(np.float32))


# The authors' face networks: name in manifests.json, and the prefix that their keys have for the rule alone.
FACE_PREFIXES = {
    "s3fd": "s3fd.",
    "fan4": "fan.",
    "gaze": "gaze.",
    "emoca_E_flame": "E_flame.",
    "emoca_E_expression": "E_expression.",
}


def face_network_weights(manifests: Path, name: str) -> dict[str, Tensor]:
    """The state dict of one of the authors' face networks, keys as in its own file."""
    manifest = json.loads(manifests.read_text())
    prefix = FACE_PREFIXES[name]
    return {key: parameter(prefix + key, tuple(shape)) for key, shape, _ in manifest[name]}


def official_shapes(manifests: Path) -> dict[str, dict[str, tuple[int, ...]]]:
    """Keys and shapes of the two state dicts inside diffusionact_model.pt."""
    manifest = json.loads(manifests.read_text())
    autoencoder = {key: tuple(shape) for key, shape, _ in manifest["diffae_autoenc"]}
    both = {prefix + key: shape for prefix in ("ema_model.", "model.") for key, shape in autoencoder.items()}
    return {
        "state_dict_net": {key: tuple(shape) for key, shape, _ in manifest["state_dict_net"]},
        "state_dict_diff": both | {"x_T": (32, 3, 256, 256)},
    }


def write_official_checkpoint(path: Path, manifests: Path) -> None:
    """Write a full-size diffusionact_model.pt (1.5 GB) in the authors' layout."""
    content = {part: state_dict(shapes) for part, shapes in official_shapes(manifests).items()}
    torch.save(content | {"best_val_loss": np.float64(0.5)}, path)


def seeded_generator(name: str) -> np.random.Generator:
    """The generator of everything with that name."""
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
