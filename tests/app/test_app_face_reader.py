"""What the page marks is what the pipeline's own face reader sees, whichever that is."""

import pytest
import torch
from toy_face_reader import ToyFaceReader

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
from diffusionact import DiffusionActPipeline  # noqa: E402
from diffusionact.face.errors import NoFaceFoundError  # noqa: E402
from diffusionact.images import load_image  # noqa: E402
from diffusionact_app.shared_model import SharedModel  # noqa: E402
from diffusionact_app.vision import crop_corners, face_at, mark_faces  # noqa: E402


@pytest.fixture
def model(tiny_components):
    """A shared model whose reader sees a face in each half of any image."""
    return SharedModel(DiffusionActPipeline(tiny_components, ToyFaceReader()), "tiny")


def test_faces_are_those_of_the_pipelines_reader(model, faceless_file):
    image = load_image(faceless_file)
    marked = mark_faces(model, image, "largest")
    assert marked.boxes.tolist() == [[0.0, 0.0, 128.0, 256.0], [128.0, 0.0, 256.0, 256.0]]
    assert face_at(marked.boxes.tolist(), 200.0, 50.0) == 1
    assert mark_faces(model, image, 1).chosen == 1
    with pytest.raises(NoFaceFoundError, match="received the index 2"):
        mark_faces(model, image, 2)


def test_clicked_face_is_the_one_that_is_encoded(model, faceless_file):
    image = load_image(faceless_file)
    boxes = mark_faces(model, image, 0).boxes
    for index, box in enumerate(boxes):
        assert face_at(boxes.tolist(), *((box[:2] + box[2:]) / 2).tolist()) == index
        crop = model.encode(faceless_file, index).crop
        assert torch.allclose(crop_corners(crop.matrix, crop.size)[0], box[:2] - 0.5, atol=0.5)
