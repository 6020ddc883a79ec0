"""The paper's networks from files: read back, refused with file, source and licence, and put behind the objective."""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from perception_networks import template_landmarks, tiny_perception_networks, tiny_pictures
from safetensors.torch import save_file
from tiny_paper_lane import make_tiny_networks

from diffusionact.conversion.paper_perception import load_paper_perception
from diffusionact.conversion.perception_files import PERCEPTION_FILES, load_network
from diffusionact.face.emoca import COMPONENTS
from diffusionact.face.emoca.components import weight_names
from diffusionact.losses import LossWeights, reenactment_objective
from diffusionact.perception import CombinedPerception

# What the published files hold and the networks do not need.
UNUSED = {
    "vgg19": {"features.30.weight": torch.zeros(2), "classifier.6.bias": torch.zeros(2)},
    "face_parsing": {"conv_out16.conv_out.weight": torch.zeros(2), "conv_out32.conv.bn.running_var": torch.zeros(2)},
    "farl": {"text_projection": torch.zeros(2), "logit_scale": torch.zeros(())},
    "arcface": {},
}


def published(name: str, state: dict[str, torch.Tensor]) -> dict:
    """The state of a tiny network as its published file would hold it."""
    if name == "farl":
        return {"state_dict": {**{f"visual.{key}": value for key, value in state.items()}, **UNUSED[name]}, "epoch": 64}
    return {**state, **UNUSED[name]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All four files under their published names, from tiny networks."""
    for name, network in tiny_perception_networks().items():
        torch.save(published(name, network.state_dict()), tmp_path / PERCEPTION_FILES[name].file_name)
    return tmp_path


@pytest.fixture(scope="module")
def emoca_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("emoca")
    for name, network in vars(make_tiny_networks()).items():
        state = network.state_dict()
        save_file({key: state[key].contiguous() for key in weight_names(network)}, folder / COMPONENTS[name][0])
    yield folder


def path_of(folder: Path, name: str) -> Path:
    return folder / PERCEPTION_FILES[name].file_name


@pytest.mark.parametrize("name", PERCEPTION_FILES)
def test_a_published_file_gives_back_its_network(folder, name):
    network = load_network(name, path_of(folder, name))
    if name == "face_parsing":
        network.input_size = 64
    original, arguments = tiny_perception_networks()[name], (tiny_pictures(),)
    if name == "arcface":
        arguments += (template_landmarks(64),)
    for ours, theirs in zip(network(*arguments), original(*arguments), strict=True):
        # Not equal to the bit: without gradients torch's attention takes a faster way.
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_a_file_without_counters_and_a_safetensors_file_are_read_too(folder, tmp_path):
    state = {k: v for k, v in tiny_perception_networks()["arcface"].state_dict().items() if "tracked" not in k}
    torch.save(state, tmp_path / "old.pth")
    save_file(state, tmp_path / "face.safetensors")
    expected = load_network("arcface", path_of(folder, "arcface")).state_dict()["output_layer.3.weight"]
    for file in ("old.pth", "face.safetensors"):
        assert torch.equal(load_network("arcface", tmp_path / file).output_layer[3].weight, expected)


@pytest.mark.parametrize("name", PERCEPTION_FILES)
def test_a_missing_file_is_named_with_source_licence_and_loss(name, tmp_path):
    file = PERCEPTION_FILES[name]
    with pytest.raises(FileNotFoundError) as caught:
        load_network(name, tmp_path / "nowhere.pth")
    for words in (file.file_name, file.origin, file.licence, f"{file.loss} loss", "nowhere.pth", "weight"):
        assert words in str(caught.value)


@pytest.mark.parametrize("name", PERCEPTION_FILES)
def test_another_networks_file_is_refused(folder, name):
    other = "vgg19" if name != "vgg19" else "arcface"
    with pytest.raises(ValueError, match="Expected .* received .*"):
        load_network(name, path_of(folder, other))


def test_weights_that_are_single_numbers_are_refused(tmp_path):
    file = PERCEPTION_FILES["vgg19"]
    torch.save({"features.0.weight": torch.tensor(1.0)}, tmp_path / file.file_name)
    with pytest.raises(ValueError, match="Expected the weights of VGG19 .*1 tensors that do not fit"):
        load_network("vgg19", tmp_path / file.file_name)


def test_missing_tensors_and_broken_values_are_refused(folder):
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


def test_the_paper_lane_feeds_every_term_of_the_objective(folder, emoca_folder):
    perception = load_paper_perception(LossWeights(), folder, emoca_folder)
    perception.background.input_size = 64
    target, landmarks = tiny_pictures(), template_landmarks(64)
    reenacted = (0.9 * target).flip(0).requires_grad_()
    with torch.no_grad():
        seen = perception(target, landmarks)
    value = reenactment_objective(reenacted, target, perception(reenacted, landmarks), seen, LossWeights())
    assert set(value.terms) == {field.name for field in fields(LossWeights)}
    value.total.backward()
    assert reenacted.grad.isfinite().all()
    same = reenactment_objective(target, target, seen, seen, LossWeights())
    assert same.total.item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("name", ["perceptual", "identity", "style", "gaze", "shape", "head_pose"])
def test_the_gradient_of_each_network_reaches_the_picture(folder, emoca_folder, name):
    weights = LossWeights(**{field.name: float(field.name == name) for field in fields(LossWeights)})
    perception = load_paper_perception(weights, folder, emoca_folder)
    target, landmarks = tiny_pictures(), template_landmarks(64)
    reenacted = (0.9 * target).flip(0).requires_grad_()
    value = reenactment_objective(
        reenacted, target, perception(reenacted, landmarks), perception(target, landmarks), weights
    )
    value.total.backward()
    assert reenacted.grad.isfinite().all()
    assert reenacted.grad.abs().sum() > 0


def test_networks_without_a_weight_are_not_asked_for(folder, emoca_folder, tmp_path):
    path_of(folder, "farl").unlink()
    with pytest.raises(FileNotFoundError, match="FaRL.*set the weight of the style loss to 0"):
        load_paper_perception(LossWeights(), folder, emoca_folder)
    perception = load_paper_perception(replace(LossWeights(), style=0.0, gaze=0.0), folder, emoca_folder)
    assert perception.style is None
    assert perception.gaze is None
    pixels_only = LossWeights(**{field.name: float(field.name == "pixel") for field in fields(LossWeights)})
    assert not list(load_paper_perception(pixels_only, tmp_path / "none", tmp_path / "none").children())


def test_single_files_may_lie_elsewhere(folder, emoca_folder, tmp_path):
    elsewhere = tmp_path / "my_farl.pth"
    path_of(folder, "farl").rename(elsewhere)
    assert load_paper_perception(LossWeights(), folder, emoca_folder, {"farl": elsewhere}).style is not None
    with pytest.raises(ValueError, match="received \\['vgg'\\]"):
        load_paper_perception(LossWeights(), folder, emoca_folder, {"vgg": elsewhere})


def test_frozen_networks_stay_as_they_are_when_the_model_around_them_trains():
    networks = tiny_perception_networks()
    around = torch.nn.Sequential(CombinedPerception(identity=networks["arcface"], background=networks["face_parsing"]))
    before = {name: value.clone() for name, value in around.state_dict().items()}
    around.train()
    features = around[0](tiny_pictures(), template_landmarks(64))
    assert features.style is None
    assert features.identity.shape == (2, 8)
    assert not any(module.training for module in around[0].modules())
    assert not any(parameter.requires_grad for parameter in around.parameters())
    assert all(torch.equal(value, before[name]) for name, value in around.state_dict().items())
