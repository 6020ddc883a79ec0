"""The shipped landmarker files come from the task file, bit by bit."""

import io
import zipfile

import numpy as np
import pytest

from diffusionact.face.readers.open.landmarker.graph import DATA_FOLDER, load_bundled_network
from tools.face_landmarker import convert_task, read_message

pytest.importorskip("tflite", reason="tflite (dev extra) is absent")


@pytest.fixture(scope="module")
def task(shared_dir):
    path = shared_dir / "samples" / "face_landmarker.task"
    if not path.is_file():
        pytest.skip("samples/face_landmarker.task is absent")
    return path


@pytest.fixture(scope="module")
def converted(task):
    return convert_task(task)


def test_conversion_reproduces_the_shipped_files_bit_by_bit(converted):
    for name, content in converted.items():
        assert (DATA_FOLDER / name).read_bytes() == content, name


def test_a_wheel_that_contains_the_task_converts_alike(task, converted, tmp_path):
    wheel = tmp_path / "some.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(task, "package/models/face_landmarker.task")
    assert convert_task(wheel) == converted


@pytest.mark.parametrize("name", ["face_detector", "face_mesh", "face_blendshapes"])
def test_converted_nets_give_the_outputs_of_the_tflite_interpreter(name, task):
    interpreter_module = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is absent")
    member = {"face_mesh": "face_landmarks_detector"}.get(name, name) + ".tflite"
    with zipfile.ZipFile(task) as archive:
        interpreter = interpreter_module.Interpreter(model_content=archive.read(member))
    interpreter.allocate_tensors()
    door = interpreter.get_input_details()[0]
    values = np.random.default_rng(0).random(door["shape"], dtype=np.float32) * (1 if len(door["shape"]) == 4 else 100)
    interpreter.set_tensor(door["index"], values)
    interpreter.invoke()
    import torch

    inputs = torch.from_numpy(values)
    outputs = load_bundled_network(name)(inputs.permute(0, 3, 1, 2) if inputs.ndim == 4 else inputs)
    for record, output in zip(interpreter.get_output_details(), outputs, strict=True):
        expected = interpreter.get_tensor(record["index"]).reshape(-1)
        np.testing.assert_allclose(output.reshape(-1).numpy(), expected, atol=2e-3, rtol=1e-4)


def test_a_file_that_is_no_task_is_refused_with_what_to_pass(tmp_path):
    path = tmp_path / "face.task"
    path.write_bytes(b"not a zip")
    with pytest.raises(ValueError, match="Expected face_landmarker.task or a wheel"):
        convert_task(path)


def test_protocol_buffer_fields_are_read_with_their_numbers():
    message = io.BytesIO(b"\x08\x96\x01\x12\x02hi\x1d\x00\x00\x80?").getvalue()
    assert read_message(message) == [(1, 150), (2, b"hi"), (3, b"\x00\x00\x80?")]
