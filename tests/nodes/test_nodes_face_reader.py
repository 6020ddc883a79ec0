"""The nodes' face reader: which there are, and whose faces a bounding box chooses from."""

import pytest
import torch
from toy_face_reader import ToyFaceReader
from toy_packages import write_distribution

BOX = {"x": 140, "y": 10, "width": 100, "height": 200}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The toy face reader as an installed package."""
    folder = write_distribution(tmp_path, "toy", "diffusionact.face_readers", "toy", "toy_face_reader:ENTRY")
    monkeypatch.syspath_prepend(str(folder))


def test_a_bounding_box_chooses_among_the_chosen_readers_faces(comfy_module, portrait):
    face_in_box = comfy_module("face_reading").face_in_box
    assert face_in_box(ToyFaceReader(), portrait, BOX) == 1
    assert face_in_box(ToyFaceReader(), portrait, [[BOX | {"x": 0}]]) == 0


def test_the_list_of_readers_has_the_one_of_another_package(comfy_module, installed):
    face_reading = comfy_module("face_reading")
    face_reading.tracker_input()
    options = face_reading.io.Combo.Input.call_args.kwargs["options"]
    assert options[0] == "open" and options[-1] == "toy"
    assert face_reading.make_reader("toy").name == "toy"


def test_poses_are_read_edited_and_drawn_by_the_sources_face_model(comfy_module, installed, portrait):
    face_reading = comfy_module("face_reading")
    reader = face_reading.make_reader("toy")
    source = make_source(comfy_module, reader, portrait)
    options = comfy_module("face_reading").PoseOptions(smoothing=0.0)
    faces = reader.read(iter([portrait, portrait]), options, 25.0)
    poses = face_reading.join_poses(face_reading.read_poses(reader, faces, source, options))
    assert len(poses.found) == 2 and poses.coefficients.face_model == "toy circle"
    assert face_reading.reader_of(poses.coefficients).name == "toy"
    assert face_reading.draw(poses).shape == (2, 256, 256, 3)


def test_a_source_of_another_face_model_is_rejected(comfy_module, installed, portrait):
    face_reading = comfy_module("face_reading")
    toy, open_reader = face_reading.make_reader("toy"), face_reading.make_reader("open")
    source, options = make_source(comfy_module, toy, portrait), face_reading.PoseOptions(smoothing=0.0)
    faces = open_reader.read(iter([portrait]), options, 25.0)
    with pytest.raises(ValueError, match="a source of the face model 'open', received one of 'toy circle'"):
        next(face_reading.read_poses(open_reader, faces, source, options))


def make_source(comfy_module, reader, image):
    """A source whose codes are empty: only its face is asked for."""
    values = comfy_module("values")
    face = reader.read_source(image, 0).face
    frame = values.LandmarkFrame("aligned", 256)
    own = face.crop, face.coefficients, face.camera_crop, face.observation.gaze
    codes = values.SourceCodes(torch.zeros(1, 3, 256, 256), *own, {})
    return values.Source(codes, image, "model-toy circle", frame)
