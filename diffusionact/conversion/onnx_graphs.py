"""Reads insightface's recognition networks from ONNX files, by the optional package `onnx`.

ONNX is a protobuf of operators and arrays; nothing in it is run by reading it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..graph_network import Operation, check_operators
from ..perception.identity_crops import CROP_SIZE
from ..perception.insightface_arcface import graph_state

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, NodeProto

CONSTANT = "Constant"
INPUT_SHAPE = [3, CROP_SIZE, CROP_SIZE]
# insightface takes a network with a node so named among its first ones to bring images into its own range itself.
RANGE_NODES = (("Sub", "_minus"), ("Mul", "_mul"))
FIRST_NODES = 8


def read_recognition_network(path: Path) -> dict[str, Tensor]:
    """The state of `InsightFaceArcFace`.

    Args:
        path: such as w600k_r50.onnx.

    Raises:
        ModuleNotFoundError: if the package onnx is not installed.
        ValueError: if it is no ONNX file, or one of another kind of network.
    """
    graph = _read_graph(path)
    reason = _why_not_recognition(graph)
    if reason:
        raise ValueError(
            f"Expected a network of face recognition, one image of {CROP_SIZE} px to one embedding, received {path} "
            f"{reason}. Take w600k_r50.onnx, glintr100.onnx or w600k_mbf.onnx."
        )
    check_operators(node.op_type for node in graph.node if node.op_type != CONSTANT)
    weights = {tensor.name: _tensor(tensor) for tensor in graph.initializer}
    operations = []
    for node in graph.node:
        if node.op_type == CONSTANT:
            weights[node.output[0]] = _constant(node, path)
        else:
            attributes = {attribute.name: _value(attribute) for attribute in node.attribute}
            operations.append(Operation(node.op_type, tuple(node.input), node.output[0], attributes))
    return graph_state(operations, _inputs(graph)[0].name, weights, _takes_levels(graph))


def _read_graph(path: Path) -> GraphProto:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Expected the package onnx for reading {path.name}, received an installation without {error.name!r}. Run "
            "`pip install diffusionact[paper]`."
        ) from error
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise ValueError(
            f"Expected an ONNX file, received {path} of {path.stat().st_size} bytes, which is damaged or something "
            f"else ({error}). Get it again."
        ) from error
    return model.graph


def _why_not_recognition(graph: GraphProto) -> str:
    """For messages, after "received PATH"; empty if it is one."""
    shapes = [[size.dim_value for size in entry.type.tensor_type.shape.dim] for entry in _inputs(graph)]
    if len(shapes) != 1 or len(graph.output) != 1:
        return f"with {len(shapes)} inputs and {len(graph.output)} outputs"
    return "" if shapes[0][1:] == INPUT_SHAPE else f"whose input has the shape {shapes[0]} (0 is any size)"


def _inputs(graph: GraphProto) -> list[Any]:
    """What goes in; old files count the weights among the inputs too."""
    weights = {tensor.name for tensor in graph.initializer}
    return [entry for entry in graph.input if entry.name not in weights]


def _takes_levels(graph: GraphProto) -> bool:
    names = [node.name for node in graph.node[:FIRST_NODES]]
    return all(any(name.startswith(kind) for name in names) for kind in RANGE_NODES)


def _constant(node: NodeProto, path: Path) -> Tensor:
    values = {attribute.name: attribute for attribute in node.attribute}
    if "value" not in values:
        raise ValueError(
            f"Expected constants that are arrays, received {path} with one of {', '.join(values)}. Take a file that "
            "insightface published."
        )
    return _tensor(values["value"].t)


def _tensor(proto: Any) -> Tensor:
    from onnx import numpy_helper

    return torch.from_numpy(numpy_helper.to_array(proto).copy())


def _value(attribute: AttributeProto) -> Any:
    """A number, a text, or a list of numbers."""
    from onnx import helper

    value = helper.get_attribute_value(attribute)
    return value.decode() if isinstance(value, bytes) else value
