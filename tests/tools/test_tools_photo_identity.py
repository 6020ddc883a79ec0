"""dlib's serialised network, made up small: parameters are found, folded and checked."""

import io
import struct
import tarfile

import numpy as np
import pytest
import torch
from torch import nn

from tools.photo_identity import AFFINE, CONVOLUTION, LINEAR, MEMBER, DlibReader, convert_layers, read_member


def integer(value: int) -> bytes:
    content = abs(value).to_bytes(max(1, (abs(value).bit_length() + 7) // 8), "little")
    return bytes([len(content) | (0x80 if value < 0 else 0)]) + content


def layer(name: str, values: np.ndarray, *before: int) -> bytes:
    sizes = [2, len(values), 1, 1, 1]
    tensor = b"".join(map(integer, sizes)) + struct.pack(f"<{len(values)}f", *values)
    return integer(len(name)) + name.encode() + b"".join(map(integer, before)) + tensor


@pytest.fixture
def network():
    """A convolution and a linear map, as dlib's network begins and ends."""
    torch.manual_seed(0)
    return nn.ModuleDict({"stem": nn.Conv2d(3, 4, 3), "embedding": nn.Linear(4, 2, bias=False)})


@pytest.fixture
def parameters():
    generator = np.random.default_rng(1)
    return {CONVOLUTION: generator.normal(size=4 * 27 + 4), AFFINE: generator.normal(size=8), LINEAR: np.arange(8.0)}


@pytest.fixture
def data(parameters):
    """The layers between settings of other layers."""
    return b"".join(
        [
            integer(-300),
            layer(CONVOLUTION, parameters[CONVOLUTION]),
            integer(7) + b"relu_11",
            layer(AFFINE, parameters[AFFINE]),
            layer(LINEAR, parameters[LINEAR], 2, 4),
            integer(0),
        ]
    )


def shapes_of(network):
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


def test_integers_have_a_length_and_a_sign():
    for value in (0, 1, -1, 128, 255, 256, -70000, 2**31):
        assert DlibReader(integer(value)).integer() == value


def test_converted_layers_compute_what_dlibs_do(data, network, parameters):
    network.load_state_dict(convert_layers(DlibReader(data).layers(), shapes_of(network)))
    image = torch.randn(1, 3, 5, 5)
    filters, gain_and_offset = (torch.tensor(parameters[name]).float() for name in (CONVOLUTION, AFFINE))
    convolved = nn.functional.conv2d(image, filters[:-4].reshape(4, 3, 3, 3), filters[-4:])
    gain, offset = gain_and_offset[:4, None, None], gain_and_offset[4:, None, None]
    torch.testing.assert_close(network["stem"](image), convolved * gain + offset, atol=0.02, rtol=0.01)
    # dlib multiplies a row of 4 by a matrix of 4 rows and 2 columns.
    expected = torch.ones(1, 4) @ torch.arange(8.0).reshape(4, 2)
    torch.testing.assert_close(network["embedding"](torch.ones(1, 4)), expected)


def test_a_name_inside_of_a_tensor_is_no_layer(network):
    values = np.zeros(4 * 27 + 4, dtype="<f4")
    hidden = (integer(len(AFFINE)) + AFFINE.encode()).ljust(12, b"\0")
    values[:3] = np.frombuffer(hidden, "<f4")
    assert [name for name, _ in DlibReader(layer(CONVOLUTION, values)).layers()] == [CONVOLUTION]


def test_files_that_end_early_or_hold_other_layers_are_rejected(data, network):
    with pytest.raises(ValueError, match="^Expected .* bytes more .*download the package again"):
        DlibReader(data[:-10]).layers()
    layers = DlibReader(data).layers()
    with pytest.raises(ValueError, match="^Expected 1 convolutions .*received"):
        convert_layers(layers[:2], shapes_of(network))
    short = [(layers[0][0], layers[0][1][:-2]), *layers[1:]]
    with pytest.raises(ValueError, match="^Expected 108 values for stem.weight, received 106"):
        convert_layers(short, shapes_of(network))
    with pytest.raises(ValueError, match="^Expected a tensor of version 2, received version 1"):
        DlibReader(integer(len(AFFINE)) + AFFINE.encode() + integer(1) * 5).layers()


def test_only_the_networks_file_is_taken_from_the_package(tmp_path):
    def archive(name):
        path = tmp_path / f"{name}.tar.gz"
        with tarfile.open(path, "w:gz") as package:
            entry = tarfile.TarInfo(f"package/models/{name}")
            entry.size = 3
            package.addfile(entry, io.BytesIO(b"dat"))
        return path

    assert read_member(archive(MEMBER)) == b"dat"
    with pytest.raises(ValueError, match="pass face_recognition_models"):
        read_member(archive("shape_predictor_68_face_landmarks.dat"))
    (tmp_path / "bare.dat").write_bytes(b"bare")
    assert read_member(tmp_path / "bare.dat") == b"bare"
