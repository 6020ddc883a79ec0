"""MediaPipe's nets as they ship with the package: graphs that `tools/face_landmarker.py` writes, for `GraphNetwork`.

A graph is a list of nodes; a node has a kind, named inputs (values or weights), one output name and numbers. Images are
(B, C, H, W); weights are stored in float16 and run in float32.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from .....graph_network import GraphNetwork, Operation

DATA_FOLDER = Path(__file__).resolve().parents[1] / "data" / "face_landmarker"
# Kinds of nodes that are operators of ONNX by another name; the other kinds have their own.
ONNX_NAMES = {
    "add": "Add",
    "convolution": "Conv",
    "divide": "Div",
    "multiply": "Mul",
    "negate": "Neg",
    "permute": "Transpose",
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "sqrt": "Sqrt",
    "subtract": "Sub",
}
NAMES = {"kind", "inputs", "output", "weight", "bias", "activation"}


def load_bundled_network(name: str, folder: Path = DATA_FOLDER) -> GraphNetwork:
    """A net that ships with the package, by default one of face_detector, face_mesh and face_blendshapes."""
    graph = json.loads((folder / f"{name}.json").read_text())
    return network_of_graph(graph, load_file(folder / f"{name}.safetensors"))


def network_of_graph(graph: dict[str, Any], weights: dict[str, Tensor]) -> GraphNetwork:
    """The network of a graph: `inputs`, `outputs` (value names) and `nodes`.

    Raises:
        ValueError: if the graph asks for a weight or an operator that does not exist.
    """
    operations = [operation for node in graph["nodes"] for operation in _operations(node)]
    weights = {name: tensor.float() for name, tensor in weights.items()}
    return GraphNetwork(operations, graph["inputs"], graph["outputs"], weights)


def _operations(node: dict[str, Any]) -> list[Operation]:
    """A node, and its activation where it has one."""
    kind, output = node["kind"], node["output"]
    inputs = (*node["inputs"], *(node[role] for role in ("weight", "bias") if role in node))
    if "activation" not in node:
        return [Operation(_onnx(kind), inputs, output, _attributes(node))]
    before = f"{output} before {node['activation']}"
    return [
        Operation(_onnx(kind), inputs, before, _attributes(node)),
        Operation(_onnx(node["activation"]), (before,), output),
    ]


def _onnx(kind: str) -> str:
    return ONNX_NAMES.get(kind, kind)


def _attributes(node: dict[str, Any]) -> dict[str, Any]:
    """The node's numbers, by the names that its operator has for them."""
    if node["kind"] == "convolution":
        left, right, top, bottom = node["padding"]
        return {"strides": node["stride"], "pads": (top, left, bottom, right), "group": node["groups"]}
    if node["kind"] == "permute":
        return {"perm": node["axes"]}
    return {name: value for name, value in node.items() if name not in NAMES}
