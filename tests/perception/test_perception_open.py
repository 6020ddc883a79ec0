"""The open backend's door: features of the protocol's shapes, zero for equal images, frozen, bundled, and accurate."""

import pytest
import torch
from tiny_portrait import made_up_face, tiny_portrait_net

from diffusionact.face.geometry.crop_frame import crop_frame_transform
from diffusionact.images import load_image, resize, uint8_to_model
from diffusionact.losses import LossWeights, reenactment_objective
from diffusionact.perception import OpenPerception, PortraitNet, load_open_perception, load_portrait_net
from diffusionact.perception.landmarker_face import LandmarkerFace
from diffusionact.perception.open_perception import (
    DATA_FOLDER,
    PORTRAIT_NETS,
    OpenPerceptionOfPhotographs,
    in_face_crop,
)

SIZE = 32


@pytest.fixture
def perception():
    return OpenPerception(tiny_portrait_net())


def images() -> torch.Tensor:
    return torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1


def landmarks() -> torch.Tensor:
    return made_up_face(SIZE).expand(2, 68, 2)


def test_every_feature_of_the_protocol_is_filled(perception):
    features = perception(images(), landmarks())
    assert len(features.perceptual) == 4
    assert features.background.shape == (2, 1, SIZE, SIZE)
    assert features.background.min() >= 0 and features.background.max() <= 1
    assert features.identity.shape == (2, 8)
    assert features.style.shape == (2, 2 * (4 + 8 + 8))
    assert features.gaze.shape == (2, 2)
    assert features.landmarks.shape == (2, 68, 2)
    assert features.head_pose.shape == (2, 3)


def test_the_objective_of_equal_images_is_zero(perception):
    features = perception(images(), landmarks())
    value = reenactment_objective(images(), images(), features, features, LossWeights())
    assert len(value.terms) == 8
    assert abs(value.total.item()) < 1e-4


def test_objective_has_a_gradient_in_the_reenacted_image_only(perception):
    reenacted = images().requires_grad_(True)
    with torch.no_grad():
        target = perception(images().flip(3), landmarks())
    features = perception(reenacted, landmarks())
    reenactment_objective(reenacted, images().flip(3), features, target, LossWeights()).total.backward()
    assert reenacted.grad.isfinite().all() and reenacted.grad.abs().sum() > 0


def test_networks_stay_frozen_and_in_evaluation_mode(perception):
    assert not perception.train().training
    assert not any(module.training for module in perception.modules())
    assert not any(parameter.requires_grad for parameter in perception.parameters())


def test_landmarks_are_measured_in_the_crop_around_the_given_ones():
    points = landmarks()
    matrix = crop_frame_transform(points).matrix
    crop = in_face_crop(points, points)
    torch.testing.assert_close(crop, points * matrix[:, :1, :1] + matrix[:, None, :, 2])
    assert crop.min() > 0 and crop.max() < 224


def test_photographs_take_landmarks_pose_and_gaze_from_the_landmarker(perception):
    face = LandmarkerFace()
    frame = resize(uint8_to_model(load_image("diffusionact/demo/media/source.png")[None]), SIZE)
    features = OpenPerceptionOfPhotographs(perception, face)(frame, landmarks()[:1])
    seen, ours = face(frame, landmarks()[:1]), perception(frame, landmarks()[:1])
    torch.testing.assert_close(features.head_pose, seen.head_pose)
    torch.testing.assert_close(features.gaze, seen.gaze)
    torch.testing.assert_close(features.landmarks, in_face_crop(seen.landmarks, landmarks()[:1]))
    torch.testing.assert_close(features.identity, ours.identity)


def test_unknown_names_are_rejected():
    with pytest.raises(ValueError, match="Expected face to be one of"):
        load_open_perception("vgg")
    with pytest.raises(ValueError, match="Expected role to be one of"):
        load_portrait_net("both")


@pytest.mark.parametrize("role", PORTRAIT_NETS)
def test_bundled_networks_are_small_and_hold_no_pickles(role):
    files = list((DATA_FOLDER / role).iterdir())
    assert {file.suffix for file in files} <= {".json", ".safetensors"}
    assert sum(file.stat().st_size for file in files) < 6_000_000


def test_loss_and_judge_are_two_networks():
    loss, judge = (load_portrait_net(role) for role in PORTRAIT_NETS)
    assert loss.config.widths != judge.config.widths


def test_the_bundled_loss_network_stands_behind_the_door():
    perception = load_open_perception()
    assert isinstance(perception.network, PortraitNet)
    expected = load_portrait_net("loss").heat.weight
    assert torch.equal(perception.network.heat.weight, expected)


@pytest.mark.parametrize("role", PORTRAIT_NETS)
def test_bundled_networks_read_the_demo_portrait(role, demo_observation):
    """The demo's source is a synthetic portrait; the tracker has errors of its own."""
    frame, seen = demo_observation
    reading = load_portrait_net(role)(uint8_to_model(frame[None]))
    extent = (seen.landmarks.amax(1) - seen.landmarks.amin(1)).mean()
    assert (reading.landmarks - seen.landmarks).norm(dim=-1).mean() < 0.06 * extent
    assert (reading.head_pose - seen.head_pose).abs().max() < 10
    assert reading.parsing.argmax(1)[0, 128, 128] == 2, "the middle of the image is face"
    assert reading.parsing.argmax(1)[0, 2, 2] == 0, "its corner is background"
