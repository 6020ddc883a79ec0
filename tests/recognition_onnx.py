"""Made-up recognition networks in insightface's ONNX layouts, small: IResNet, MobileFaceNet, and MXNet's export.

Random weights, which keep the size of what goes through; the graphs are written node by node, as the exporters write
them.
"""

from pathlib import Path

import numpy as np
import pytest

WIDTH = 4
EMBEDDING = 8
CROP = 112
LAYOUTS = ("iresnet", "mobilefacenet", "mxnet")


def write_recognition_onnx(path: Path, layout: str = "iresnet", input_size: int = CROP) -> Path:
    """Write a network of the layout; returns the path."""
    onnx = pytest.importorskip("onnx", reason="onnx (the paper extra) is absent")
    graph = OnnxGraph(onnx)
    out = {"iresnet": _iresnet, "mobilefacenet": _mobilefacenet, "mxnet": _mxnet}[layout](graph, input_size)
    kind = onnx.TensorProto.FLOAT
    image = onnx.helper.make_tensor_value_info("data", kind, ["None", 3, input_size, input_size])
    identity = onnx.helper.make_tensor_value_info(out, kind, ["None", EMBEDDING])
    made = onnx.helper.make_graph(graph.nodes, layout, [image], [identity], graph.weights)
    model = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


class OnnxGraph:
    """Collects nodes and weights."""

    def __init__(self, onnx):
        self.onnx, self.nodes, self.weights = onnx, [], []
        self.random = np.random.default_rng(0)

    def add(self, kind: str, *inputs: str, name: str = "", **attributes) -> str:
        """A node; returns the name of what it gives."""
        output = f"/{kind}_{len(self.nodes)}.output"
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [output], name=name, **attributes))
        return output

    def weight(self, values: np.ndarray) -> str:
        """An array; returns its name, which holds points, as PyTorch's do."""
        name = f"layer.{len(self.weights)}.weight"
        self.weights.append(self.onnx.numpy_helper.from_array(values, name))
        return name

    def normal(self, *shape: int, scale: float = 1.0) -> str:
        return self.weight((self.random.standard_normal(shape) * scale).astype(np.float32))

    def positive(self, *shape: int) -> str:
        return self.weight(self.random.uniform(0.5, 1.5, shape).astype(np.float32))

    def constant(self, values: np.ndarray) -> str:
        """An array as a node."""
        return self.add("Constant", value=self.onnx.numpy_helper.from_array(values))

    def conv(self, x: str, in_width: int, width: int, stride: int = 1, kernel: int = 3, group: int = 1) -> str:
        count = in_width // group * kernel**2
        arrays = self.normal(width, in_width // group, kernel, kernel, scale=(2 / count) ** 0.5), self.normal(width)
        sizes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [kernel // 2] * 4, "dilations": [1, 1]}
        return self.add("Conv", x, *arrays, group=group, **sizes)

    def prelu(self, x: str, width: int) -> str:
        return self.add("PRelu", x, self.normal(width, 1, 1, scale=0.3))

    def batch_norm(self, x: str, width: int) -> str:
        arrays = self.positive(width), self.normal(width), self.normal(width), self.positive(width)
        return self.add("BatchNormalization", x, *arrays, epsilon=2e-5, momentum=0.9)


def _iresnet(graph: OnnxGraph, size: int) -> str:
    """Blocks of batch norm, two convolutions and PReLU beside a shortcut; then Flatten, Gemm and batch norm."""
    x, width = graph.prelu(graph.conv("data", 3, WIDTH, 2), WIDTH), WIDTH
    for stage in range(3):
        hidden = graph.conv(graph.batch_norm(x, width), width, 2 * width)
        hidden = graph.conv(graph.prelu(hidden, 2 * width), 2 * width, 2 * width, 2)
        x, width = (
            graph.add("Add", hidden, graph.conv(x, width, 2 * width, 2, kernel=1), name=f"Add_{stage}"),
            2 * width,
        )
    x = graph.add("Flatten", graph.batch_norm(x, width), axis=1)
    return _embed(graph, x, width * (size // 16) ** 2)


def _embed(graph: OnnxGraph, x: str, count: int) -> str:
    weight, bias = graph.normal(EMBEDDING, count, scale=count**-0.5), graph.normal(EMBEDDING)
    embedded = graph.add("Gemm", x, weight, bias, alpha=1.0, beta=1.0, transB=1)
    return graph.batch_norm(embedded, EMBEDDING)


def _mobilefacenet(graph: OnnxGraph, size: int) -> str:
    """Convolutions by groups; the sizes of the flattened features are computed in the graph."""
    x = graph.prelu(graph.conv("data", 3, WIDTH, 4), WIDTH)
    x = graph.add("Add", x, graph.prelu(graph.conv(x, WIDTH, WIDTH, group=WIDTH), WIDTH))
    x = graph.conv(x, WIDTH, WIDTH, 4, kernel=1)
    batch = graph.add("Gather", graph.add("Shape", x), graph.constant(np.array(0)), axis=0)
    batch = graph.add("Unsqueeze", batch, graph.constant(np.array([0])))
    sizes = graph.add("Concat", batch, graph.constant(np.array([-1])), axis=0)
    flat = graph.add("Reshape", x, sizes)
    count = WIDTH * (size // 16) ** 2
    embedded = graph.add("MatMul", flat, graph.normal(count, EMBEDDING, scale=count**-0.5))
    return graph.batch_norm(embedded, EMBEDDING)


def _mxnet(graph: OnnxGraph, size: int) -> str:
    """Takes levels of 0 to 255, which its first nodes bring into [-1, 1]; pools at the end."""
    x = graph.add("Sub", "data", graph.weight(np.array(127.5, np.float32)), name="_minusscalar0")
    x = graph.add("Mul", x, graph.weight(np.array(1 / 127.5, np.float32)), name="_mulscalar0")
    x = graph.add("Relu", graph.conv(x, 3, WIDTH, 4))
    x = graph.add("Dropout", graph.add("GlobalAveragePool", x))
    flat = graph.add("Reshape", x, graph.constant(np.array([1, WIDTH])))
    return _embed(graph, graph.add("Identity", flat), WIDTH)
