"""Landmarks of S3FD and 2D-FAN as the metric NME takes them: the tracker's, batches, images without a face."""

import pytest
import torch
from safetensors.torch import save_file
from tiny_official import make_tiny_networks

from diffusionact.face.readers.emoca import COMPONENTS
from diffusionact.face.readers.emoca.components import weight_names
from diffusionact.face.readers.emoca.face_measuring import detect_faces, find_landmarks
from diffusionact.perception.face_reader_networks import load_fan_landmarks
from diffusionact.perception.fan_landmarks import FanLandmarks


@pytest.fixture(scope="module")
def networks():
    return make_tiny_networks()


@pytest.fixture(scope="module")
def images():
    """Two bright images, in which the made-up detector sees a face, and a black one between them."""
    generator = torch.Generator().manual_seed(0)
    bright = torch.rand(3, 3, 256, 256, generator=generator)
    bright[1] = -1.0
    return bright


def test_landmarks_are_the_trackers_and_nan_without_a_face(networks, images):
    landmarks = FanLandmarks(networks.detector, networks.landmark_net)(images)
    assert landmarks.shape == (3, 68, 2)
    assert landmarks[1].isnan().all()
    for row in (0, 2):
        box = detect_faces(networks, images[row : row + 1]).boxes[0]
        assert torch.equal(landmarks[row], find_landmarks(networks, images[row : row + 1], box)[0])


def test_smaller_images_are_looked_at_in_256_px_and_measured_in_their_own(networks):
    fan = FanLandmarks(networks.detector, networks.landmark_net)
    small = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    large = torch.nn.functional.interpolate(small, size=(256, 256), mode="bilinear", antialias=True)
    torch.testing.assert_close(fan(small), (fan(large) + 0.5) / 4 - 0.5)


def test_images_without_any_face_are_all_nan(networks, images):
    assert FanLandmarks(networks.detector, networks.landmark_net)(images[1:2]).isnan().all()


def test_fan_networks_come_from_the_weights_folder_or_are_named(networks, images, tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="s3fd-619a316812.pth .*for the metric NME.*weights fetch s3fd"):
        load_fan_landmarks()
    (tmp_path / "emoca").mkdir()
    for name in ("detector", "landmark_net"):
        network = getattr(networks, name)
        state = network.state_dict()
        tensors = {key: state[key].contiguous() for key in weight_names(network)}
        save_file(tensors, tmp_path / "emoca" / COMPONENTS[name][0])
    expected = FanLandmarks(networks.detector, networks.landmark_net)(images[:1])
    assert torch.equal(load_fan_landmarks()(images[:1]), expected)
