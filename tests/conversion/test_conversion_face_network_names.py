"""Tables from the authors' names of the face networks to ours: complete, and strict about what they do not know."""

import json
from pathlib import Path

import pytest
import torch

from diffusionact.conversion.face_network_names import FACE_NETWORK_NAMES, UNUSED_ENDINGS, face_network_state
from diffusionact.face.readers.emoca.coefficient_encoders import CoefficientEncoders
from diffusionact.face.readers.emoca.components import weight_names
from diffusionact.face.readers.emoca.face_detector import FaceDetector
from diffusionact.face.readers.emoca.gaze_net import GazeNet
from diffusionact.face.readers.emoca.landmark_net import LandmarkNet

NETWORKS = {
    "detector": (FaceDetector, {"": "s3fd"}),
    "landmark_net": (LandmarkNet, {"": "fan4"}),
    "encoders": (CoefficientEncoders, {"deca.E_flame.": "emoca_E_flame", "deca.E_expression.": "emoca_E_expression"}),
    "gaze_net": (GazeNet, {"": "gaze"}),
}


def official_state(golden_dir: Path, name: str) -> dict[str, torch.Tensor]:
    """All official keys of a network, with tensors that take no memory."""
    manifest = json.loads((golden_dir / "manifests.json").read_text())
    return {
        prefix + key: torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
        for prefix, part in NETWORKS[name][1].items()
        for key, shape, dtype in manifest[part]
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_every_official_weight_fills_one_of_ours(golden_dir, name):
    with torch.device("meta"):
        network = NETWORKS[name][0]()
    converted = face_network_state(name, official_state(golden_dir, name), "file")
    expected = network.state_dict()
    assert converted.keys() == weight_names(network)
    for key, tensor in converted.items():
        assert tensor.shape == expected[key].shape, key


@pytest.mark.parametrize("name", NETWORKS)
def test_no_two_official_names_mean_one_of_ours(golden_dir, name):
    names = FACE_NETWORK_NAMES[name](official_state(golden_dir, name))
    assert len(set(names.values())) == len(names)


def test_files_of_old_versions_without_counters_are_read_too(golden_dir):
    state = official_state(golden_dir, "landmark_net")
    old = {key: tensor for key, tensor in state.items() if not key.endswith(tuple(UNUSED_ENDINGS))}
    assert len(old) < len(state)
    assert (
        face_network_state("landmark_net", old, "file").keys() == face_network_state("landmark_net", state, "").keys()
    )


def test_an_unknown_weight_is_rejected(golden_dir):
    state = official_state(golden_dir, "gaze_net") | {"gaze_fc.1.weight": torch.zeros(2)}
    with pytest.raises(ValueError, match=r"weights of the gaze net in file, .* unknown gaze_fc.1.weight"):
        face_network_state("gaze_net", state, "file")


def test_of_emocas_checkpoint_only_the_encoders_must_be_known(golden_dir):
    state = official_state(golden_dir, "encoders")
    extra = {"deca.E_detail.layers.0.weight": torch.zeros(2), "emonet_loss.weight": torch.zeros(2)}
    assert (
        face_network_state("encoders", state | extra, "file").keys()
        == face_network_state("encoders", state, "file").keys()
    )
    with pytest.raises(ValueError, match="unknown deca.E_flame.layers.3.weight"):
        face_network_state("encoders", state | {"deca.E_flame.layers.3.weight": torch.zeros(2)}, "file")
