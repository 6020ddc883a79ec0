"""The real package insightface with made-up models in its own layouts: SCRFD's nine outputs, ArcFace's 512 numbers."""

import shutil

import pytest
import torch
from tiny_insightface import write_tiny_insightface

from diffusionact.face.errors import NoFaceFoundError
from diffusionact.face.pose.options import PoseOptions
from diffusionact.face.readers.insightface import InsightFaceReader, detections_of
from diffusionact.face.readers.open.reader import OpenFaceReader


def test_five_points_and_a_box_become_a_region_that_turns_with_the_eyes():
    box = torch.tensor([[100.0, 80.0, 180.0, 200.0]])
    points = torch.tensor([[[120.0, 120.0], [160.0, 140.0], [140.0, 150.0], [125.0, 175.0], [155.0, 175.0]]])
    found = detections_of(box, points, torch.tensor([0.9]))
    assert found.regions.centre.tolist() == [[140.0, 140.0]]
    assert found.regions.side.tolist() == [180.0]
    assert torch.rad2deg(found.regions.angle).item() == pytest.approx(26.565, abs=1e-2)
    assert found.key_points[0].tolist()[3] == [140.0, 175.0]


def test_no_faces_become_no_detections():
    found = detections_of(torch.zeros(0, 4), torch.zeros(0, 5, 2), torch.zeros(0))
    assert len(found) == 0 and found.key_points.shape == (0, 6, 2)


@pytest.fixture(scope="module")
def root(portrait, tmp_path_factory):
    """Models that find the portrait's face where it is."""
    pytest.importorskip("insightface", reason="insightface (the extra of that name) is absent")
    return write_tiny_insightface(tmp_path_factory.mktemp("insightface"), portrait)


@pytest.fixture(scope="module")
def reader(root):
    return InsightFaceReader(root)


def test_faces_found_by_the_package_are_measured_by_the_bundled_nets(reader, portrait):
    ours = OpenFaceReader().read_source(portrait, "largest")
    found = reader.read_source(portrait, "largest")
    distance = (found.face.observation.landmarks - ours.face.observation.landmarks).norm(dim=-1)
    assert distance.mean() < 3.0
    assert found.face.observation.expression.shape == (1, 52)
    assert 0.4 < float(found.face.observation.confidence) <= 0.8 + 1e-6


def test_the_threshold_of_a_clip_is_respected(reader, portrait):
    with pytest.raises(NoFaceFoundError):
        list(reader.read(portrait[None], PoseOptions(detection_threshold=0.9), 25.0))
    assert len(list(reader.read(portrait[None], PoseOptions(detection_threshold=0.7), 25.0))) == 1


def test_an_embedding_has_unit_length_and_tells_images_apart(reader, portrait):
    first, other = reader.models.embedding(portrait), reader.models.embedding(255 - portrait)
    torch.testing.assert_close(first.norm(), torch.tensor(1.0))
    torch.testing.assert_close(reader.models.embedding(portrait), first)
    assert float(first @ other) < 0.99


def test_missing_models_are_named_and_never_fetched(tmp_path):
    pytest.importorskip("insightface", reason="insightface (the extra of that name) is absent")
    with pytest.raises(FileNotFoundError, match="buffalo_l"):
        InsightFaceReader(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_broken_model_is_rejected_with_its_folder(root, tmp_path):
    shutil.copytree(root, tmp_path / "broken")
    (tmp_path / "broken" / "models" / "buffalo_l" / "det.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match="buffalo_l"):
        InsightFaceReader(tmp_path / "broken")
