"""The networks behind losses and metrics from files: read back, and rejected with file, source, licence and use."""

from functools import partial
from pathlib import Path

import pytest
import torch
from perception_networks import published, template_landmarks, tiny_images, tiny_perception_networks
from safetensors.torch import load_file, save_file

from diffusionact.conversion.importing import import_files
from diffusionact.conversion.published_networks import read_network_file
from diffusionact.perception import perception_files
from diffusionact.perception.lpips import LearntWeights
from diffusionact.perception.perception_files import PERCEPTION_FILES, find_perception_file

# insightface's is an ONNX file, tested in test_conversion_onnx_graphs.py.
CHECKPOINTS = [name for name in PERCEPTION_FILES if name != "insightface"]
load_network = partial(perception_files.load_network, read=read_network_file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All checkpoints under their published names, from tiny networks."""
    for name, network in tiny_perception_networks().items():
        torch.save(published(name, network), path_of(tmp_path, name))
    return tmp_path


@pytest.fixture
def weights(tmp_path, monkeypatch) -> Path:
    """The weights folder of the test."""
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def path_of(folder: Path, name: str) -> Path:
    return folder / PERCEPTION_FILES[name].entry.file_names[0]


def outputs_of(name: str, network: torch.nn.Module) -> tuple[torch.Tensor, ...]:
    if name == "face_parsing":
        network.input_size = 64
    if name == "arcface":
        return tuple(network(tiny_images(), template_landmarks(64)))
    if isinstance(network, LearntWeights):
        return network([torch.ones(1, value.shape[1], 2, 2) for value in network.state_dict().values()])
    return tuple(network(tiny_images()))


def assert_is_the_tiny_network(name: str, network: torch.nn.Module) -> None:
    expected = outputs_of(name, tiny_perception_networks()[name])
    for ours, theirs in zip(outputs_of(name, network), expected, strict=True):
        # Not equal to the bit: without gradients torch's attention takes a faster way.
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_published_file_gives_back_its_network(folder, name):
    network = load_network(name, path_of(folder, name))
    assert_is_the_tiny_network(name, network)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_all_files_are_recognised_by_content_and_found_after_import(folder, weights):
    for number, name in enumerate(CHECKPOINTS):
        path_of(folder, name).rename(folder / f"{number}.pth")
    outcomes = import_files([folder], weights, progress=False)
    assert {outcome.what for outcome in outcomes if outcome.status == "imported"} == set(CHECKPOINTS)
    assert not [outcome for outcome in outcomes if outcome.status == "failed"]
    for name in CHECKPOINTS:
        path = find_perception_file(name)
        assert path == weights / "perception" / f"{name}.safetensors"
        assert not any("classifier" in key or "text_projection" in key for key in load_file(path))
        assert_is_the_tiny_network(name, perception_files.load_network(name, path))


@pytest.mark.parametrize("subfolder", [".", "perception"])
def test_a_published_file_in_the_weights_folder_is_found_without_an_import(folder, weights, subfolder):
    (weights / subfolder).mkdir(parents=True)
    path_of(folder, "farl").rename(path_of(weights / subfolder, "farl"))
    assert find_perception_file("farl") == path_of(weights / subfolder, "farl")


def test_a_file_without_counters_and_a_safetensors_file_are_read_too(folder, tmp_path):
    state = {k: v for k, v in tiny_perception_networks()["arcface"].state_dict().items() if "tracked" not in k}
    torch.save(state, tmp_path / "old.pth")
    save_file(state, tmp_path / "face.safetensors")
    expected = load_network("arcface", path_of(folder, "arcface")).state_dict()["output_layer.3.weight"]
    for file in ("old.pth", "face.safetensors"):
        assert torch.equal(load_network("arcface", tmp_path / file).output_layer[3].weight, expected)


@pytest.mark.parametrize("name", PERCEPTION_FILES)
def test_a_missing_file_is_named_with_source_licence_and_use(name, tmp_path, weights):
    file = PERCEPTION_FILES[name]
    for find in (lambda: load_network(name, tmp_path / "nowhere.pth"), lambda: find_perception_file(name)):
        with pytest.raises(FileNotFoundError, match="^Expected .*received .*or give its path") as caught:
            find()
        for words in (*file.entry.file_names, file.entry.origin, file.entry.licence, file.needed_for, file.remedy):
            assert words in str(caught.value)


def test_the_words_of_a_missing_file_name_the_loss(weights):
    with pytest.raises(FileNotFoundError, match="for the style loss.*or set the weight of the style loss to 0"):
        find_perception_file("farl")
    with pytest.raises(FileNotFoundError, match="run `diffusionact weights fetch vgg19`"):
        find_perception_file("vgg19")


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_another_networks_file_is_rejected(folder, name):
    other = "vgg19" if name != "vgg19" else "arcface"
    with pytest.raises(ValueError, match="Expected .* received .*"):
        load_network(name, path_of(folder, other))


def test_weights_that_are_single_numbers_are_rejected(tmp_path):
    torch.save({"features.0.weight": torch.tensor(1.0)}, path_of(tmp_path, "vgg19"))
    with pytest.raises(ValueError, match="Expected the weights of VGG19 .*1 tensors that do not fit"):
        load_network("vgg19", path_of(tmp_path, "vgg19"))


def test_missing_tensors_and_broken_values_are_rejected(folder):
    state = tiny_perception_networks()["arcface"].state_dict()
    path = path_of(folder, "arcface")
    torch.save({k: v for k, v in state.items() if k != "body.3.res_layer.1.weight"}, path)
    with pytest.raises(ValueError, match="body.3.res_layer.1.weight"):
        load_network("arcface", path)
    torch.save({**state, "body.3.res_layer.1.weight": state["body.3.res_layer.1.weight"] * float("nan")}, path)
    with pytest.raises(ValueError, match="Expected finite weights of ArcFace"):
        load_network("arcface", path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match="Expected a checkpoint written by PyTorch"):
        load_network("arcface", path)


def test_a_broken_file_is_not_imported_and_says_why(folder, weights):
    state = tiny_perception_networks()["arcface"].state_dict()
    torch.save({k: v for k, v in state.items() if k != "body.3.res_layer.1.weight"}, folder / "broken.pth")
    outcomes = import_files([folder / "broken.pth"], weights, progress=False)
    assert [(outcome.what, outcome.status) for outcome in outcomes] == [("arcface", "failed")]
    assert "body.3.res_layer.1.weight" in outcomes[0].result
    assert not (weights / "perception").exists()


def test_hashes_of_torchvisions_files_are_those_in_their_names():
    for name in ("vgg19", "alexnet", "vgg16"):
        entry = PERCEPTION_FILES[name].entry
        assert entry.file_names[0].endswith(f"-{entry.sha256_starts[0]}.pth")
        assert len(entry.sha256_starts[0]) == 8
        assert entry.url.endswith(entry.file_names[0])
