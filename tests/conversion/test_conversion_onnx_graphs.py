"""insightface's recognition networks: torch gives what onnxruntime and the package give; imported, and refused."""

import numpy as np
import pytest
import torch
from perception_networks import template_landmarks, tiny_images
from recognition_onnx import CROP, EMBEDDING, LAYOUTS, write_recognition_onnx

from diffusionact.conversion.identity_networks import load_identity_network
from diffusionact.conversion.importing import import_files
from diffusionact.conversion.onnx_graphs import read_recognition_network
from diffusionact.conversion.perception_files import find_perception_file, load_network
from diffusionact.conversion.recognition import recognise
from diffusionact.perception.identity_crops import TEMPLATE


@pytest.mark.parametrize("layout", LAYOUTS)
def test_torch_gives_what_onnxruntime_gives(tmp_path, layout):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime (the insightface extra) is absent")
    path = write_recognition_onnx(tmp_path / "rec.onnx", layout)
    crops = tiny_images(size=CROP)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    fed = (crops + 1) * 127.5 if layout == "mxnet" else crops
    expected = np.concatenate([session.run(None, {"data": crop[None].numpy()})[0] for crop in fed])
    ours = load_network("insightface", path).embed_crops(crops)
    torch.testing.assert_close(ours, torch.from_numpy(expected), atol=1e-4, rtol=1e-4)
    assert (ours[0] - ours[1]).abs().max() > 0.05


def test_the_package_gives_the_same_identity_of_a_face_in_an_image(tmp_path):
    pytest.importorskip("insightface", reason="insightface (the extra of that name) is absent")
    from insightface.app.common import Face
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    path = write_recognition_onnx(tmp_path / "w600k_r50.onnx")
    levels = ((tiny_images(size=160, count=1) + 1) * 127.5).round()
    landmarks = template_landmarks(100, count=1) + 20
    points = (torch.tensor(TEMPLATE) + 0.5) * (100 / CROP) - 0.5 + 20
    face = Face(kps=points.numpy())
    bgr = levels[0].permute(1, 2, 0).flip(-1).numpy().astype(np.uint8)
    ArcFaceONNX(str(path)).get(bgr, face)
    ours = load_identity_network(path)(levels / 127.5 - 1, landmarks)
    cosine = float(ours[0] @ torch.from_numpy(face.normed_embedding))
    assert cosine > 0.999, "OpenCV rounds places to 1/32 px, and levels"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_gradient_reaches_the_image_and_a_batch_equals_single_images(tmp_path, layout):
    network = load_identity_network(write_recognition_onnx(tmp_path / "rec.onnx", layout))
    images, landmarks = tiny_images().requires_grad_(), template_landmarks(64)
    embeddings = network(images, landmarks)
    assert embeddings.shape == (2, EMBEDDING)
    torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(2))
    torch.testing.assert_close(embeddings[1:], network(images[1:], landmarks[1:]), atol=1e-5, rtol=1e-4)
    embeddings[:, 0].sum().backward()
    assert images.grad.isfinite().all()
    assert images.grad.abs().sum() > 0
    assert not any(tensor.requires_grad for tensor in network.state_dict().values())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_imported_network_needs_no_onnx_and_says_the_same(tmp_path, monkeypatch, layout):
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(tmp_path / "weights"))
    path = write_recognition_onnx(tmp_path / "anything.onnx", layout)
    outcomes = import_files([path], tmp_path / "weights", progress=False)
    assert [(outcome.what, outcome.status) for outcome in outcomes] == [("insightface", "imported")]
    expected = load_identity_network(path)(tiny_images(), template_landmarks(64))
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    for name in ("insightface", find_perception_file("insightface")):
        assert torch.equal(load_identity_network(name)(tiny_images(), template_landmarks(64)), expected)


def test_of_a_folder_of_models_the_recognition_network_is_taken(tmp_path):
    (tmp_path / "buffalo_l").mkdir()
    write_recognition_onnx(tmp_path / "buffalo_l" / "genderage.onnx", input_size=96)
    write_recognition_onnx(tmp_path / "buffalo_l" / "rec.onnx", "mobilefacenet")
    write_recognition_onnx(tmp_path / "buffalo_l" / "the_largest.onnx")
    outcomes = {outcome.shown: outcome for outcome in import_files([tmp_path], tmp_path / "weights", progress=False)}
    by_name = {shown.rpartition("/")[2]: outcome for shown, outcome in outcomes.items()}
    assert by_name["the_largest.onnx"].status == "imported"
    assert "the_largest.onnx was taken instead" in by_name["rec.onnx"].result
    assert by_name["genderage.onnx"].status == "left" and "shape [0, 3, 96, 96]" in by_name["genderage.onnx"].result


def test_unknown_operators_are_named(tmp_path):
    onnx = pytest.importorskip("onnx", reason="onnx (the paper extra) is absent")
    path = write_recognition_onnx(tmp_path / "rec.onnx")
    model = onnx.load(path)
    model.graph.node[1].op_type = "Softplus"
    onnx.save(model, path)
    with pytest.raises(ValueError, match="^Expected .*received one with Softplus.*Take"):
        read_recognition_network(path)


def test_a_damaged_file_is_refused(tmp_path):
    path = write_recognition_onnx(tmp_path / "rec.onnx")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="^Expected an ONNX file, received .*1000 bytes"):
        read_recognition_network(path)
    assert "damaged" in recognise(path).reason


def test_without_the_package_onnx_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    (tmp_path / "rec.onnx").write_bytes(b"\x08\x08")
    with pytest.raises(ModuleNotFoundError, match="^Expected the package onnx .*pip install diffusionact\\[paper\\]"):
        read_recognition_network(tmp_path / "rec.onnx")
    assert "pip install diffusionact[paper]" in recognise(tmp_path / "rec.onnx").reason
