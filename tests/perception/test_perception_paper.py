"""The paper's networks behind the objective: every term is fed, gradients arrive, none is loaded without a weight."""

from collections.abc import Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import pytest
import torch
from perception_networks import published, template_landmarks, tiny_images, tiny_perception_networks
from safetensors.torch import save_file
from tiny_official import make_tiny_networks

from diffusionact.conversion.importing import import_files
from diffusionact.conversion.published_networks import read_network_file
from diffusionact.face.readers.emoca import COMPONENTS
from diffusionact.face.readers.emoca.components import weight_names
from diffusionact.losses import LossWeights, reenactment_objective
from diffusionact.perception import CombinedPerception, paper_perception
from diffusionact.perception.perception_files import PERCEPTION_FILES

load_paper_perception = partial(paper_perception.load_paper_perception, read=read_network_file)
TERMS = [field.name for field in fields(LossWeights) if field.name != "detail"]  # the paper's


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All checkpoints under their published names, from tiny networks; do not write into it."""
    folder = tmp_path_factory.mktemp("published")
    for name, network in tiny_perception_networks().items():
        torch.save(published(name, network), folder / PERCEPTION_FILES[name].entry.file_names[0])
    return folder


@pytest.fixture(scope="module")
def emoca_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("emoca")
    for name, network in vars(make_tiny_networks()).items():
        state = network.state_dict()
        save_file({key: state[key].contiguous() for key in weight_names(network)}, folder / COMPONENTS[name][0])
    yield folder


def only(name: str) -> LossWeights:
    return LossWeights(**{term: float(term == name) for term in TERMS})


def objective_of(perception: CombinedPerception, weights: LossWeights):
    target, landmarks = tiny_images(), template_landmarks(64)
    reenacted = (0.9 * target).flip(0).requires_grad_()
    seen = perception(target, landmarks)
    return reenacted, reenactment_objective(reenacted, target, perception(reenacted, landmarks), seen, weights)


def test_paper_backend_feeds_every_term_of_the_objective(folder, emoca_folder):
    perception = load_paper_perception(LossWeights(), folder, emoca_folder)
    perception.background.input_size = 64
    reenacted, value = objective_of(perception, LossWeights())
    assert set(value.terms) == set(TERMS)
    value.total.backward()
    assert reenacted.grad.isfinite().all()
    target = tiny_images()
    seen = perception(target, template_landmarks(64))
    same = reenactment_objective(target, target, seen, seen, LossWeights())
    assert same.total.item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("name", ["perceptual", "identity", "style", "gaze", "shape", "head_pose"])
def test_the_gradient_of_each_network_reaches_the_image(folder, emoca_folder, name):
    reenacted, value = objective_of(load_paper_perception(only(name), folder, emoca_folder), only(name))
    value.total.backward()
    assert reenacted.grad.isfinite().all()
    assert reenacted.grad.abs().sum() > 0


def test_files_are_found_in_the_weights_folder_after_an_import(folder, emoca_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(tmp_path))
    import_files([folder], tmp_path, progress=False)
    (tmp_path / "emoca").symlink_to(emoca_folder)
    perception = paper_perception.load_paper_perception(LossWeights())
    assert [name for name, _ in perception.named_children()] == [
        "perceptual",
        "identity",
        "background",
        "style",
        "gaze",
        "face",
    ]


def test_networks_without_a_weight_are_not_asked_for(folder, emoca_folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="FaRL.*or set the weight of the style loss to 0"):
        load_paper_perception(only("style"), tmp_path)
    perception = load_paper_perception(replace(LossWeights(), style=0.0, gaze=0.0), folder, emoca_folder)
    assert perception.style is None
    assert perception.gaze is None
    assert not list(load_paper_perception(only("pixel"), tmp_path / "none", tmp_path / "none").children())


@pytest.mark.parametrize(
    ("term", "file", "words"),
    [
        ("gaze", "gaze_estimation_model.tar", "CC BY-NC-SA"),
        ("shape", "EMOCA_v2_lr_mse_20", "shape and head pose losses"),
        ("head_pose", "EMOCA_v2_lr_mse_20", "register at emoca.is.tue.mpg.de"),
    ],
)
def test_a_missing_face_network_is_named_with_source_licence_and_loss(tmp_path, term, file, words):
    with pytest.raises(FileNotFoundError, match="^Expected .*licence: .*loss.*received .*To get it") as caught:
        load_paper_perception(only(term), tmp_path, tmp_path)
    assert file in str(caught.value) and words in str(caught.value)


def test_a_loss_needs_its_own_network_of_the_tracker_only(emoca_folder, tmp_path):
    (tmp_path / "gaze_net.safetensors").symlink_to(emoca_folder / "gaze_net.safetensors")
    assert load_paper_perception(only("gaze"), tmp_path, tmp_path).gaze is not None


def test_single_files_may_lie_elsewhere(folder, emoca_folder, tmp_path):
    elsewhere = tmp_path / "my_farl.pth"
    elsewhere.symlink_to(folder / "FaRL-Base-Patch16-LAIONFace20M-ep64.pth")
    files = {"farl": elsewhere, "gaze": emoca_folder / "gaze_net.safetensors"}
    weights = replace(only("style"), gaze=1.0)
    perception = load_paper_perception(weights, tmp_path, tmp_path, files)
    assert perception.style is not None and perception.gaze is not None
    with pytest.raises(ValueError, match="received \\['vgg'\\]"):
        load_paper_perception(LossWeights(), folder, emoca_folder, {"vgg": elsewhere})


@pytest.mark.parametrize("backbone", ["alex", "vgg"])
def test_the_perceptual_loss_with_lpipss_maps_is_lpips(folder, backbone):
    from diffusionact.perception.lpips import Lpips

    perception = load_paper_perception(only("perceptual"), folder, perceptual=f"lpips-{backbone}")
    reenacted, value = objective_of(perception, only("perceptual"))
    expected = Lpips(perception.perceptual)(reenacted, tiny_images()).mean()
    torch.testing.assert_close(value.total, expected)
    assert expected > 0
    value.total.backward()
    assert reenacted.grad.isfinite().all()


def test_unknown_choices_are_rejected(folder):
    with pytest.raises(ValueError, match="^Expected perceptual .*lpips-squeeze"):
        load_paper_perception(only("perceptual"), folder, perceptual="lpips-squeeze")
    with pytest.raises(FileNotFoundError, match="^Expected photo, portrait, .* or the path .*facenet"):
        load_paper_perception(only("identity"), folder, identity="facenet")


def test_the_network_of_the_identity_loss_may_be_any_file(folder, tmp_path):
    by_path = load_paper_perception(only("identity"), tmp_path, identity=str(folder / "model_ir_se50.pth"))
    by_name = load_paper_perception(only("identity"), folder)
    arguments = tiny_images(), template_landmarks(64)
    assert torch.equal(by_path(*arguments).identity, by_name(*arguments).identity)


def test_frozen_networks_stay_as_they_are_while_a_model_trains():
    networks = tiny_perception_networks()
    around = torch.nn.Sequential(CombinedPerception(identity=networks["arcface"], background=networks["face_parsing"]))
    before = {name: value.clone() for name, value in around.state_dict().items()}
    around.train()
    features = around[0](tiny_images(), template_landmarks(64))
    assert features.style is None
    assert features.identity.shape == (2, 8)
    assert not any(module.training for module in around[0].modules())
    assert not any(parameter.requires_grad for parameter in around.parameters())
    assert all(torch.equal(value, before[name]) for name, value in around.state_dict().items())
