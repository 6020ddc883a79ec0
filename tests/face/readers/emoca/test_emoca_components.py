"""The folder of the paper's face networks: read together, and rejected with a reason."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from official_head import TINY_GRID, embedding_arrays, head_arrays
from safetensors.torch import load_file, save_file
from torch import nn

from diffusionact.conversion.flame_head import flame_from_files
from diffusionact.face.readers.emoca import COMPONENTS, load_emoca_networks
from diffusionact.face.readers.emoca.coefficient_encoders import CoefficientEncoders
from diffusionact.face.readers.emoca.components import weight_names
from diffusionact.face.readers.emoca.face_detector import FaceDetector
from diffusionact.face.readers.emoca.flame import FlameModel
from diffusionact.face.readers.emoca.gaze_net import GazeNet
from diffusionact.face.readers.emoca.landmark_net import LandmarkNet


def tiny_networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    head = flame_from_files(head_arrays(TINY_GRID), embedding_arrays(TINY_GRID))
    return {
        "detector": FaceDetector(4),
        "landmark_net": LandmarkNet(4),
        "encoders": CoefficientEncoders(53, 4),
        "gaze_net": GazeNet(4),
        "flame": FlameModel.from_state(head),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """All files, from tiny networks."""
    for name, network in tiny_networks().items():
        state = network.state_dict()
        save_file({key: state[key] for key in weight_names(network)}, tmp_path / COMPONENTS[name][0])
    return tmp_path


def rewrite(file: Path, **changes: torch.Tensor | None) -> None:
    """Replace tensors of a file, or drop those given as None; `__` in a name stands for a dot."""
    state = load_file(file) | {name.replace("__", "."): tensor for name, tensor in changes.items()}
    save_file({name: tensor for name, tensor in state.items() if tensor is not None}, file)


def test_networks_come_back_with_all_their_weights(folder):
    networks = load_emoca_networks(folder)
    for name, original in tiny_networks().items():
        read = getattr(networks, name)
        assert not read.training and not any(weight.requires_grad for weight in read.parameters())
        weights, expected = read.state_dict(), original.state_dict()
        assert all(torch.equal(weights[key], expected[key]) for key in weight_names(original))


def test_the_width_of_the_expression_is_read_from_the_weights(folder):
    assert load_emoca_networks(folder).encoders.expression.out.out_features == 53


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_missing_file_is_named_with_what_makes_it(folder, name):
    (folder / COMPONENTS[name][0]).unlink()
    with pytest.raises(FileNotFoundError, match=rf"Expected '{COMPONENTS[name][0]}'.*diffusionact weights import"):
        load_emoca_networks(folder)


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("detector", "trunk.2.1.bias"),
        ("detector", "trunk.0.0.weight"),
        ("landmark_net", "stacks.2.norm.running_var"),
        ("encoders", "expression.trunk.stages.1.0.skip.0.weight"),
        ("gaze_net", "out.bias"),
        ("flame", "parents"),
    ],
)
def test_a_file_without_one_of_its_weights_is_rejected(folder, name, weight):
    rewrite(folder / COMPONENTS[name][0], **{weight: None})
    with pytest.raises(ValueError, match=r"do not fit \(.*import the authors' file again"):
        load_emoca_networks(folder)


def test_a_file_with_a_weight_too_many_is_rejected(folder):
    rewrite(folder / "gaze_net.safetensors", fc__weight=torch.zeros(3))
    with pytest.raises(ValueError, match=r"weights of the gaze net .* do not fit \(.*fc.weight"):
        load_emoca_networks(folder)


def test_weights_that_are_not_finite_are_rejected(folder):
    rewrite(folder / "gaze_net.safetensors", out__bias=torch.tensor([0.0, float("nan")]))
    with pytest.raises(ValueError, match="Expected finite weights .* out.bias; import"):
        load_emoca_networks(folder)


def test_a_truncated_file_is_rejected(folder):
    file = folder / "landmark_net.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="Expected a complete safetensors file"):
        load_emoca_networks(folder)
