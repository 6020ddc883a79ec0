"""A small network executor: runs the graphs that `conversion/face_landmarker.py` writes, with plain torch operators.

A graph is a list of nodes; a node has a kind (a key of `OPERATORS`), named inputs (values or weights), one output name
and numbers. Pictures are (B, C, H, W). The batch axis is free, every operator is differentiable and follows its input's
device; weights are stored in float16 and run in float32.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

DATA_FOLDER = Path(__file__).resolve().parents[1] / "data" / "face_landmarker"

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "relu6": F.relu6}


def _convolution(node: dict, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    left, right, top, bottom = node["padding"]
    if (left, top) != (right, bottom):
        x, left, top = F.pad(x, (left, right, top, bottom)), 0, 0
    return F.conv2d(x, weight, bias, node["stride"], (top, left), groups=node["groups"])


def _reshape(node: dict, x: Tensor) -> Tensor:
    if node["channels_first"]:  # the graph's author reshaped (B, H, W, C)
        x = x.permute(0, 2, 3, 1)
    return x.reshape(x.shape[0], *node["shape"])


def _concatenate(node: dict, *parts: Tensor) -> Tensor:
    batch = max(part.shape[0] for part in parts)
    # A constant part (the extra token of the blendshape net) has batch 1.
    return torch.cat([part.expand(batch, *part.shape[1:]) for part in parts], node["axis"])


def _resize(node: dict, x: Tensor) -> Tensor:
    return F.interpolate(x, node["size"], mode="bilinear", align_corners=node["align_corners"])


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "convolution": _convolution,
    "linear": lambda node, x, weight, bias: F.linear(x, weight, bias),
    "prelu": lambda node, x, weight: F.prelu(x, weight),
    "max_pool": lambda node, x: F.max_pool2d(x, node["kernel"], node["stride"]),
    "pad_channels": lambda node, x: F.pad(x, (0, 0, 0, 0, 0, node["count"])),
    "reshape": _reshape,
    "permute": lambda node, x: x.permute(node["axes"]),
    "concatenate": _concatenate,
    "first": lambda node, x: x.narrow(node["axis"], 0, node["count"]),
    "mean": lambda node, x: x.mean(node["axes"], keepdim=True),
    "sum": lambda node, x: x.sum(node["axes"], keepdim=True),
    "add": lambda node, x, y: x + y,
    "subtract": lambda node, x, y: x - y,
    "multiply": lambda node, x, y: x * y,
    "divide": lambda node, x, y: x / y,
    "squared_difference": lambda node, x, y: (x - y).square(),
    "negate": lambda node, x: -x,
    "sqrt": lambda node, x: x.sqrt(),
    "rsqrt": lambda node, x: x.rsqrt(),
    "relu": lambda node, x: F.relu(x),
    "sigmoid": lambda node, x: x.sigmoid(),
    "hard_swish": lambda node, x: F.hardswish(x),
    "resize": _resize,
    "transposed_convolution": lambda node, x, weight, bias: F.conv_transpose2d(x, weight, bias, node["stride"]),
}


class GraphNet(nn.Module):
    """A network given as a graph.

    Args:
        graph: `inputs`, `outputs` (value names) and `nodes`.
        weights: name -> tensor; kept as buffers, so nothing here trains.

    Raises:
        ValueError: if the graph asks for a weight or an operator that does not exist.
    """

    def __init__(self, graph: dict, weights: dict[str, Tensor]):
        super().__init__()
        self.graph = graph
        for name, tensor in weights.items():
            self.register_buffer(name, tensor.float())
        self._check()
        self._last_use = {name: index for index, node in enumerate(graph["nodes"]) for name in self._operands(node)}

    @classmethod
    def from_bundled(cls, name: str, folder: Path = DATA_FOLDER) -> GraphNet:
        """Load a net that ships with the package, by default one of face_detector, face_mesh and face_blendshapes."""
        graph = json.loads((folder / f"{name}.json").read_text())
        return cls(graph, load_file(folder / f"{name}.safetensors"))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the graph; inputs and outputs are in the order of the graph, batch first."""
        values = dict(zip(self.graph["inputs"], inputs, strict=True))
        for index, node in enumerate(self.graph["nodes"]):
            names = self._operands(node)
            operands = [values[name] if name in values else getattr(self, name) for name in names]
            result = OPERATORS[node["kind"]](node, *operands)
            if "activation" in node:
                result = ACTIVATIONS[node["activation"]](result)
            values[node["output"]] = result
            for name in set(names) & values.keys() - set(self.graph["outputs"]):
                if self._last_use[name] == index:
                    del values[name]  # a batch of large pictures would otherwise keep every layer alive
        return tuple(values[name] for name in self.graph["outputs"])

    @staticmethod
    def _operands(node: dict) -> list[str]:
        return node["inputs"] + [node[role] for role in ("weight", "bias") if role in node]

    def _check(self) -> None:
        known = set(self.graph["inputs"]) | dict(self.named_buffers()).keys()
        for node in self.graph["nodes"]:
            missing = [name for name in self._operands(node) if name not in known]
            if missing or node["kind"] not in OPERATORS:
                raise ValueError(
                    f"Expected known operators and weights, received {node['kind']!r} without {missing}; convert the "
                    f"nets again with diffusionact.conversion.face_landmarker."
                )
            known.add(node["output"])
