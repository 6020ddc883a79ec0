"""Face readers by name: loading, what is usable, and pipelines that read faces with the paper's networks."""

import importlib.util
import shutil

import pytest
import torch
from official_files import TINY, write_all
from tiny_model import make_tiny_components
from tiny_official import make_tiny_official, make_tiny_reader

from diffusionact.conversion.importing import import_files
from diffusionact.data.saved_values import load_value, save_value
from diffusionact.face.geometry.alignment import invert_transform, transform_points
from diffusionact.face.pose.editing import PoseEdit, edit_pose, source_pose
from diffusionact.face.pose.options import PoseOptions
from diffusionact.generation import save_components
from diffusionact.pipelines import DiffusionActPipeline, load_face_reader, usable_face_readers
from diffusionact.types import SourceCodes

STILL = PoseOptions(smoothing=0.0)


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A weights folder with tiny face networks, imported from files in the authors' layout."""
    folder = tmp_path_factory.mktemp("paper")
    write_all(folder / "files", TINY, ("s3fd", "fan", "gaze", "emoca", "flame"), sees=True)
    import_files([folder / "files"], folder / "weights", progress=False)
    return folder / "weights"


@pytest.fixture
def weights(imported, monkeypatch):
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(imported))
    return imported


@pytest.fixture(scope="module", params=["aligned", "crop224"])
def pipeline(request):
    components = make_tiny_components() if request.param == "aligned" else make_tiny_official()
    return DiffusionActPipeline(components, make_tiny_reader())


@pytest.fixture(scope="module")
def source(pipeline, portrait):
    return pipeline.encode_source(portrait, 4)


def test_the_open_reader_is_always_there(monkeypatch, tmp_path):
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(tmp_path))
    assert usable_face_readers()[0] == "open" and "emoca" not in usable_face_readers()
    assert load_face_reader("open").name == "open"


def test_imported_files_make_the_papers_reader_usable(weights):
    assert "emoca" in usable_face_readers()
    reader = load_face_reader("emoca")
    assert reader.name == "emoca" and reader.face_model.camera_size == 224
    assert load_face_reader("emoca", weights / "emoca").networks.encoders.expression.out.out_features == 50


def test_an_unknown_reader_is_rejected():
    with pytest.raises(ValueError, match="'open', 'emoca', 'insightface'"):
        load_face_reader("mediapipe")


def test_missing_files_are_named(weights, tmp_path, monkeypatch):
    shutil.copytree(weights / "emoca", tmp_path / "emoca")
    (tmp_path / "emoca" / "flame.safetensors").unlink()
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(tmp_path))
    assert "emoca" not in usable_face_readers()
    with pytest.raises(FileNotFoundError, match="flame.safetensors.*weights import"):
        load_face_reader("emoca")


@pytest.mark.skipif(importlib.util.find_spec("insightface") is not None, reason="insightface is installed")
def test_a_missing_package_is_named():
    assert usable_face_readers()[-1] != "insightface"
    with pytest.raises(ModuleNotFoundError, match=r"pip install diffusionact\[insightface\]"):
        load_face_reader("insightface")


def test_saved_sources_tell_face_models_apart(weights, tmp_path):
    save_components(make_tiny_components(), tmp_path / "model")
    prints = [
        DiffusionActPipeline.from_pretrained(tmp_path / "model", torch.float32, tracker=name).fingerprint
        for name in ("open", "emoca")
    ]
    assert prints[0] != prints[1]


def test_the_papers_reader_drives_models_of_both_landmark_frames(pipeline, source, portrait):
    clip = torch.stack([portrait, portrait.roll(9, 1)])
    frames = list(pipeline.stream(source, clip, STILL, num_inference_steps=2))
    assert len(frames) == 2 and all(torch.isfinite(frame.image).all() for frame in frames)
    pose = frames[0].pose
    model = pipeline.faces.face_model
    drawn = model.landmarks(pose.coefficients, 224)
    if pipeline.config.landmark_frame == "crop224":
        torch.testing.assert_close(pose.landmarks, drawn)
    else:
        crop = next(pipeline.faces.read(portrait[None], STILL, 25.0)).camera_crop
        in_image = (drawn - crop.matrix[..., 2]) / crop.matrix[0, 0, 0]
        torch.testing.assert_close(pose.landmarks, (in_image + 0.5) * 32 / 256 - 0.5, atol=1e-3, rtol=0)


def test_relative_motion_of_a_still_driver_keeps_the_sources_face(pipeline, source, portrait):
    pose = pipeline.extract_pose(portrait[None], source, PoseOptions(smoothing=0.0, relative=True))
    torch.testing.assert_close(pose.coefficients.expression, source.coefficients.expression, atol=1e-5, rtol=0)
    torch.testing.assert_close(pose.coefficients.camera, source.coefficients.camera, atol=1e-4, rtol=1e-4)


def test_sliders_move_a_pose_of_the_papers_reader(pipeline, source):
    model = pipeline.faces.face_model
    own = source_pose(model, source)
    turned = edit_pose(model, own, PoseEdit(yaw=20.0))
    torch.testing.assert_close(turned.head_pose[0, 0], own.head_pose[0, 0] + 20.0, atol=0.1, rtol=0)
    opened = edit_pose(model, own, PoseEdit(mouth_open=1.0))
    assert not torch.allclose(opened.coefficients.expression, own.coefficients.expression)


def test_a_source_of_another_face_model_is_rejected_by_pipeline_and_file(pipeline, source, portrait, tmp_path):
    under_open = DiffusionActPipeline(make_tiny_components())
    with pytest.raises(ValueError, match="face model 'open', received one of 'flame'"):
        under_open.extract_pose(portrait[None], source, STILL)
    save_value(source, tmp_path / "source.safetensors", pipeline.fingerprint)
    with pytest.raises(ValueError, match="face model 'flame'"):
        load_value(tmp_path / "source.safetensors", SourceCodes, under_open.fingerprint)
    loaded = load_value(tmp_path / "source.safetensors", SourceCodes, pipeline.fingerprint)
    assert loaded.coefficients.face_model == "flame"


def test_faces_in_counts_as_read_source_does(portrait):
    two = torch.cat([portrait, portrait], dim=1)
    reader = load_face_reader("open")
    boxes = reader.faces_in(two)
    assert boxes.shape == (2, 4)
    for index, box in enumerate(boxes):
        seen = reader.read_source(two, index).face
        middle = transform_points(invert_transform(seen.crop.matrix), seen.observation.landmarks)[0].mean(0)
        assert (box[:2] < middle).all() and (middle < box[2:]).all()
    assert reader.faces_in(torch.zeros(64, 64, 3, dtype=torch.uint8)).shape == (0, 4)


def test_the_papers_reader_finds_the_face_in_the_middle(portrait):
    left, top, right, bottom = make_tiny_reader().faces_in(portrait)[0].tolist()
    assert left < 128 < right and top < 128 < bottom
