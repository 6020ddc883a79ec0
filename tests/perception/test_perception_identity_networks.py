"""Networks of face recognition by name or file."""

import pytest
import torch
from perception_networks import template_landmarks, tiny_images, tiny_perception_networks
from safetensors.torch import save_file

from diffusionact.conversion.published_networks import read_network_file
from diffusionact.perception.identity_networks import PortraitIdentity, load_identity_network
from diffusionact.perception.portrait_net import PortraitNet


@pytest.fixture
def arcface(tmp_path):
    """A file of the tiny ArcFace."""
    torch.save(tiny_perception_networks()["arcface"].state_dict(), tmp_path / "any_name.pth")
    return tmp_path / "any_name.pth"


def test_a_file_by_its_path_and_by_its_name_in_the_weights_folder(arcface, tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(tmp_path))
    arguments = tiny_images(), template_landmarks(64)
    expected = tiny_perception_networks()["arcface"](*arguments)
    torch.testing.assert_close(load_identity_network(arcface, read_network_file)(*arguments), expected)
    arcface.rename(tmp_path / "model_ir_se50.pth")
    torch.testing.assert_close(load_identity_network("arcface", read_network_file)(*arguments), expected)
    torch.testing.assert_close(expected.norm(dim=-1), torch.ones(2))


def test_safetensors_with_arcface_are_told_from_insightfaces(tmp_path):
    network = tiny_perception_networks()["arcface"]
    save_file(network.state_dict(), tmp_path / "face.safetensors")
    arguments = tiny_images(), template_landmarks(64)
    torch.testing.assert_close(load_identity_network(tmp_path / "face.safetensors")(*arguments), network(*arguments))


def test_an_unknown_name_lists_the_names():
    with pytest.raises(
        FileNotFoundError, match="^Expected photo, portrait, arcface, insightface or the path .*received facenet"
    ):
        load_identity_network("facenet")


@pytest.mark.parametrize("name", ["arcface", "insightface"])
def test_a_network_that_was_not_brought_is_named_with_its_source(name, tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="^Expected .*licence: .*the identity loss"):
        load_identity_network(name)


def test_the_portrait_network_gives_unit_embeddings_whatever_the_landmarks():
    torch.manual_seed(0)
    network = PortraitIdentity(PortraitNet().eval())
    embeddings = network(tiny_images(), template_landmarks(64))
    assert embeddings.shape[0] == 2
    torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(2))
    assert torch.equal(embeddings, network(tiny_images(), torch.zeros(2, 68, 2)))
