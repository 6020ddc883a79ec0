"""Saved sources and poses."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from diffusionact.data.saved_values import (
    frame_rate_of,
    load_attachments,
    load_value,
    save_value,
    source_fingerprint,
)
from diffusionact.types import CropTransform, FaceCoefficients, FacePose, SourceCodes


@pytest.fixture
def source():
    coefficients = FaceCoefficients(torch.rand(1, 4), torch.rand(1, 52), torch.rand(1, 3), torch.rand(1, 3), "open")
    crop = CropTransform(torch.rand(1, 2, 3), 32)
    image = torch.rand(1, 3, 32, 32)
    codes = {"semantic_code": torch.rand(1, 8), "stochastic_code": torch.rand(1, 3, 32, 32)}
    return SourceCodes(image, crop, coefficients, crop, torch.rand(1, 2), codes)


def test_a_saved_source_comes_back_bit_by_bit(source, tmp_path):
    path = tmp_path / "source.safetensors"
    save_value(source, path, "model-a")
    loaded = load_value(path, SourceCodes, "model-a")
    assert torch.equal(loaded.stochastic_code, source.stochastic_code)
    assert torch.equal(loaded.coefficients.camera, source.coefficients.camera)
    assert loaded.crop.size == 32 and loaded.coefficients.face_model == "open"
    assert list(tmp_path.iterdir()) == [path], "no temporary file stays behind"


def test_codes_of_any_engine_come_back_under_their_names(source, tmp_path):
    path, codes = tmp_path / "source.safetensors", {"image": torch.rand(1, 4, 4, 3), "mesh": torch.rand(1, 5, 3)}
    save_value(replace(source, codes=codes), path)
    loaded = load_value(path, SourceCodes).codes
    assert loaded.keys() == codes.keys() and all(torch.equal(loaded[name], codes[name]) for name in codes)


@pytest.fixture
def layers():
    """8-bit images as the codes of an engine: a ramp and a mask."""
    ramp = torch.arange(300, dtype=torch.float32).expand(1, 3, 300, 300).div(2).to(torch.uint8)
    return {"texture": ramp, "mask": (ramp[:, :1] > 80) * torch.tensor(255, dtype=torch.uint8)}


def test_images_are_packed_without_loss(source, layers, tmp_path):
    path, photo = tmp_path / "source.safetensors", torch.randint(0, 9, (150, 160, 3), dtype=torch.uint8)
    save_value(replace(source, codes=layers), path, attached={"picture": photo})
    loaded, attached = load_value(path, SourceCodes), load_attachments(path)
    assert all(torch.equal(loaded.codes[name], layer) for name, layer in layers.items())
    assert torch.equal(attached.tensors["picture"], photo)
    assert path.stat().st_size < 0.25 * sum(layer.numel() for layer in layers.values())


def test_a_damaged_packed_image_is_rejected(source, layers, tmp_path):
    path = tmp_path / "source.safetensors"
    save_value(replace(source, codes=layers), path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors["codes.texture"] = tensors["codes.texture"][:100].clone()
    save_file(tensors, path, metadata)
    with pytest.raises(ValueError, match="Expected whole images"):
        load_value(path, SourceCodes)


def test_files_of_the_second_format_still_load(source, layers, tmp_path):
    path = tmp_path / "source.safetensors"
    save_value(source, path)
    with safe_open(path, framework="pt") as file:
        metadata = {name: text for name, text in file.metadata().items() if name != "packed"} | {"format": "2"}
    save_file(load_file(path) | {"codes.stochastic_code": layers["texture"]}, path, metadata)
    assert torch.equal(load_value(path, SourceCodes).codes["stochastic_code"], layers["texture"])


def test_a_source_of_version_0_1_still_loads(source, tmp_path):
    path = tmp_path / "source.safetensors"
    save_value(source, path, "model-a")
    with safe_open(path, framework="pt") as file:
        metadata = {name: text for name, text in file.metadata().items() if name != "codes"}
    save_file(load_file(path), path, metadata)
    assert torch.equal(load_value(path, SourceCodes, "model-a").stochastic_code, source.stochastic_code)


def test_what_is_attached_comes_back_and_does_not_disturb_the_value(source, tmp_path):
    path, image = tmp_path / "source.safetensors", torch.randint(0, 256, (5, 7, 3), dtype=torch.uint8)
    save_value(source, path, "model-a", {"frame_rate": "30000/1001"}, {"picture": image})
    attached = load_attachments(path)
    assert torch.equal(load_value(path, SourceCodes, "model-a").image, source.image)
    assert torch.equal(attached.tensors["picture"], image)
    assert (attached.model, attached.notes) == ("model-a", {"frame_rate": "30000/1001"})


def test_a_source_of_another_model_is_refused(source, tmp_path):
    save_value(source, tmp_path / "source.safetensors", "model-a")
    with pytest.raises(ValueError, match="Encode the source again"):
        load_value(tmp_path / "source.safetensors", SourceCodes, "model-b")


def test_another_kind_of_file_is_refused(source, tmp_path):
    save_value(source, tmp_path / "source.safetensors")
    with pytest.raises(ValueError, match="FacePose"):
        load_value(tmp_path / "source.safetensors", FacePose)


def test_a_file_that_lacks_a_part_is_refused(tmp_path):
    save_file({"image": torch.zeros(1)}, tmp_path / "part.safetensors", {"kind": "SourceCodes", "numbers": "{}"})
    with pytest.raises(ValueError, match="Make the file again"):
        load_value(tmp_path / "part.safetensors", SourceCodes)


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"not a tensor file")
    with pytest.raises(ValueError, match="Make the file again"):
        load_value(tmp_path / "bad.safetensors", SourceCodes)


def as_first_format(path, model):
    """Rewrite a file as version 0.1 did: without the face model's name."""
    with safe_open(path, "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    numbers = json.loads(metadata["numbers"])
    del numbers["coefficients.face_model"]
    save_file(tensors, path, metadata | {"numbers": json.dumps(numbers), "format": "1", "model": model})


# What commands wrote under each reader, and what nodes wrote under all of them.
@pytest.mark.parametrize(
    ("width", "written", "face_model", "fingerprint"),
    [
        (52, "abc", "open", "abc"),
        (52, "abc-insightface", "open", "abc"),
        (53, "abc-emoca", "flame", "abc-flame"),
        (53, "abc", "flame", "abc-flame"),
    ],
)
def test_files_of_the_first_format_get_their_face_model(source, tmp_path, width, written, face_model, fingerprint):
    path = tmp_path / "source.safetensors"
    coefficients = replace(source.coefficients, expression=torch.rand(1, width), face_model=face_model)
    save_value(replace(source, coefficients=coefficients), path)
    as_first_format(path, written)
    assert load_value(path, SourceCodes, fingerprint).coefficients.face_model == face_model
    assert load_attachments(path).model == fingerprint
    other = source_fingerprint("abc", "flame" if face_model == "open" else "open")
    with pytest.raises(ValueError, match=f"face model '{face_model}'"):
        load_value(path, SourceCodes, other)


def test_a_face_model_of_any_name_is_kept(source, tmp_path):
    path = tmp_path / "source.safetensors"
    save_value(replace(source, coefficients=replace(source.coefficients, face_model="toy")), path)
    assert load_value(path, SourceCodes).coefficients.face_model == "toy"


@pytest.mark.parametrize(
    ("entry", "text", "message"),
    [
        ("numbers", "{", "Make the file again"),
        ("numbers", "[]", "Make the file again"),
        ("numbers", '{"crop.size": "x"}', "Make the file again"),
        ("format", "99", "Update this package"),
        ("codes", "[", "Make the file"),
        ("codes", "{}", "Make the file"),
    ],
)
def test_damaged_or_newer_entries_are_rejected(source, tmp_path, entry, text, message):
    path = tmp_path / "source.safetensors"
    save_value(source, path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() | {entry: text}
    save_file(load_file(path), path, metadata)
    with pytest.raises(ValueError, match=message):
        load_value(path, SourceCodes)


@pytest.mark.parametrize("noted", ["", "x", "0", "-25", "1/0", "1e9", "nan", [], None, {"a": 1}])
def test_a_noted_frame_rate_that_is_none_is_rejected(source, tmp_path, noted):
    path = tmp_path / "poses.safetensors"
    save_value(source, path, notes={"frame_rate": noted})
    with pytest.raises(ValueError, match="Expected a frame rate above 0"):
        frame_rate_of(load_attachments(path), path)
    save_value(source, path, notes={"frame_rate": "30000/1001"})
    assert frame_rate_of(load_attachments(path), path) == Fraction(30000, 1001)


def test_the_same_value_makes_the_same_bytes(source, tmp_path):
    for name in "abcd":
        save_value(source, tmp_path / name, notes={"frame_rate": "25", "sample_rate": "48000"})
    assert len({(tmp_path / name).read_bytes() for name in "abcd"}) == 1
