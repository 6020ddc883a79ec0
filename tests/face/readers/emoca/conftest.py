"""The authors' face networks with weights by rule, converted as their own files are."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from official_rule import face_network_weights
from torch import nn

from diffusionact.conversion.face_network_names import face_network_state
from diffusionact.face.readers.emoca import build_network

Golden = Mapping[str, np.ndarray]
# Attribute of `EmocaNetworks` -> prefix inside the authors' file and name in the manifest.
MANIFESTS = {
    "detector": {"": "s3fd"},
    "landmark_net": {"": "fan4"},
    "encoders": {"deca.E_flame.": "emoca_E_flame", "deca.E_expression.": "emoca_E_expression"},
    "gaze_net": {"": "gaze"},
}


@pytest.fixture(scope="module")
def official_network(golden_dir: Path) -> Callable[[str], nn.Module]:
    """Makes one network at full size, through the tables of names, without gradients for its weights."""

    def make(name: str) -> nn.Module:
        state = {}
        for prefix, manifest in MANIFESTS[name].items():
            weights = face_network_weights(golden_dir / "manifests.json", manifest)
            state |= {prefix + key: tensor for key, tensor in weights.items()}
        return build_network(name, face_network_state(name, state, manifest), manifest).requires_grad_(False)

    return make


@pytest.fixture(scope="module")
def golden_of(golden_dir: Path) -> Callable[[str], Golden]:
    """Reads the reference arrays of a file, such as "face"."""
    return lambda name: dict(np.load(golden_dir / f"{name}.npz"))
