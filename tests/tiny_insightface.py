"""Made-up models in the layouts that the package insightface expects: SCRFD's nine outputs, ArcFace's 512 numbers."""

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from diffusionact.face.readers.open.tracking import OpenFaceTracker

STRIDES = (8, 16, 32)
SIZE = 640
ANCHORS = 2
SCORE = 0.8


def write_tiny_insightface(root: Path, image: Tensor) -> Path:
    """Models that find the face of a square image where the bundled detector finds it; returns the root folder."""
    face = OpenFaceTracker().detect(image)[0]
    eyes_and_nose, mouth = face.key_points.numpy()[:3], face.key_points.numpy()[3]
    points = np.concatenate([eyes_and_nose, [mouth - (15, 0), mouth + (15, 0)]])
    outputs = scrfd_outputs(face.box.numpy(), points, SIZE / image.shape[0], SCORE)
    write_models(root / "models" / "buffalo_l", outputs)
    return root


def scrfd_outputs(box: np.ndarray, points: np.ndarray, scale: float, score: float) -> list[np.ndarray]:
    """Scores, boxes and points of three maps; the first anchor of the middle map has the face."""
    outputs = {kind: [] for kind in ("score", "box", "points")}
    for stride in STRIDES:
        count = (SIZE // stride) ** 2 * ANCHORS
        for kind, width in (("score", 1), ("box", 4), ("points", 10)):
            outputs[kind].append(np.zeros((count, width), np.float32))
    stride, (left, top, right, bottom) = STRIDES[1], box * scale / STRIDES[1]
    assert stride == 16
    # Distances from the anchor at (0, 0) to the sides; the first two point to the left and up.
    outputs["score"][1][0] = score
    outputs["box"][1][0] = (-left, -top, right, bottom)
    outputs["points"][1][0] = (points * scale / stride).reshape(-1)
    return [array for kind in outputs.values() for array in kind]


def write_models(folder: Path, outputs: list[np.ndarray]) -> None:
    """det.onnx, which always says the same, and rec.onnx, which looks at the colours of the aligned face."""
    onnx = pytest.importorskip("onnx", reason="onnx (comes with insightface) is absent")
    helper, numpy_helper, kind = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
    names = [f"out{index}" for index in range(len(outputs))]
    constants = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))
        for name, array in zip(names, outputs, strict=True)
    ]
    image = helper.make_tensor_value_info("input.1", kind, [1, 3, SIZE, SIZE])
    said = [helper.make_tensor_value_info(name, kind, array.shape) for name, array in zip(names, outputs, strict=True)]
    weights = np.random.default_rng(0).standard_normal((3, 512)).astype(np.float32)
    face = helper.make_tensor_value_info("data", kind, [1, 3, 112, 112])
    identity = helper.make_tensor_value_info("identity", kind, [1, 512])
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["identity"]),
    ]
    recognition = helper.make_graph(nodes, "rec", [face], [identity], [numpy_helper.from_array(weights, "weights")])
    folder.mkdir(parents=True)
    for name, graph in (("det", helper.make_graph(constants, "det", [image], said)), ("rec", recognition)):
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.save(model, folder / f"{name}.onnx")
