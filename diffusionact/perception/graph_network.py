"""A network given as a list of operations, as ONNX files hold it, run by torch: differentiable, on any device.

Only the operations of convolutional networks for recognition are known. The first axis of what goes in is the batch,
also where the file was written for a batch of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Operation:
    """One step of the network.

    Attributes:
        kind: name of an ONNX operator, a key of `OPERATORS`.
        inputs: names of weights and earlier outputs; empty for one left out.
        output: name of the result.
        attributes: of the operator: numbers, and lists of them.
    """

    kind: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


class GraphNetwork(nn.Module):
    """Runs operations one after the other.

    Args:
        operations: in an order in which every input is there when it is needed.
        input_name: of what goes in.
        weights: by the names that the operations have for them.

    Raises:
        ValueError: if an operator is unknown.
    """

    def __init__(self, operations: Sequence[Operation], input_name: str, weights: Mapping[str, Tensor]):
        super().__init__()
        check_operators(operation.kind for operation in operations)
        self.operations, self.input_name = tuple(operations), input_name
        # Names in files may hold points, which names of tensors in a module must not.
        self.keys = {name: f"weight_{number}" for number, name in enumerate(weights)}
        for name, value in weights.items():
            self.register_buffer(self.keys[name], value)

    def forward(self, x: Tensor) -> Tensor:
        """What goes in -> what the last operation gives."""
        values = {name: self.get_buffer(key) for name, key in self.keys.items()} | {self.input_name: x}
        for operation in self.operations:
            inputs = [values[name] if name else None for name in operation.inputs]
            x = values[operation.output] = OPERATORS[operation.kind](inputs, operation.attributes)
        return x


def check_operators(kinds: Iterable[str]) -> None:
    """Raise ValueError unless all of these ONNX operators are known."""
    unknown = sorted(set(kinds) - OPERATORS.keys())
    if unknown:
        raise ValueError(
            f"Expected a network of the operators {', '.join(OPERATORS)}, received one with {', '.join(unknown)}. Take "
            "a file that insightface published."
        )


Inputs = list[Tensor | None]
Attributes = Mapping[str, Any]


def _batch_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, weight, bias, mean, variance = inputs
    return F.batch_norm(x, mean, variance, weight, bias, eps=attributes.get("epsilon", 1e-5))


def _conv(inputs: Inputs, attributes: Attributes) -> Tensor:
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if attributes.get("auto_pad", "NOTSET") != "NOTSET":
        raise ValueError(
            f"Expected convolutions with padding in numbers, received auto_pad {attributes['auto_pad']}. Take a file "
            "that insightface published."
        )
    x, weight, bias = [*inputs, None][:3]
    stride, dilation = tuple(attributes.get("strides", (1, 1))), tuple(attributes.get("dilations", (1, 1)))
    padded = x if (top, left) == (bottom, right) else F.pad(x, (left, right, top, bottom))
    padding = (top, left) if padded is x else 0
    return F.conv2d(padded, weight, bias, stride, padding, dilation, attributes.get("group", 1))


def _gemm(inputs: Inputs, attributes: Attributes) -> Tensor:
    first, second, bias = [*inputs, None][:3]
    first = first.T if attributes.get("transA", 0) else first
    second = second.T if attributes.get("transB", 0) else second
    product = attributes.get("alpha", 1.0) * (first @ second)
    return product if bias is None else product + attributes.get("beta", 1.0) * bias


def _reshape(inputs: Inputs, _: Attributes) -> Tensor:
    x, sizes = inputs[0], inputs[1].tolist()
    # Files written for one image say 1 for the batch; 0 keeps an axis.
    sizes[0] = len(x) if sizes[0] in (0, 1) else sizes[0]
    return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)])


def _unsqueeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = inputs[0]
    for axis in sorted(attributes["axes"] if "axes" in attributes else inputs[1].tolist()):
        x = x.unsqueeze(axis)
    return x


def _prelu(inputs: Inputs, _: Attributes) -> Tensor:
    x, slope = inputs
    return torch.where(x < 0, x * slope, x)


# The ONNX operators that are known; sources: their definitions in the ONNX standard, operator sets 7 to 21.
OPERATORS: dict[str, Callable[[Inputs, Attributes], Tensor]] = {
    "Add": lambda inputs, _: inputs[0] + inputs[1],
    "BatchNormalization": _batch_norm,
    "Concat": lambda inputs, attributes: torch.cat(inputs, dim=attributes["axis"]),
    "Conv": _conv,
    "Div": lambda inputs, _: inputs[0] / inputs[1],
    "Dropout": lambda inputs, _: inputs[0],
    "Flatten": lambda inputs, attributes: inputs[0].flatten(attributes.get("axis", 1)),
    "Gather": lambda inputs, attributes: inputs[0].select(attributes.get("axis", 0), int(inputs[1])),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda inputs, _: inputs[0].mean(dim=(2, 3), keepdim=True),
    "Identity": lambda inputs, _: inputs[0],
    "MatMul": lambda inputs, _: inputs[0] @ inputs[1],
    "Mul": lambda inputs, _: inputs[0] * inputs[1],
    "PRelu": _prelu,
    "Relu": lambda inputs, _: F.relu(inputs[0]),
    "Reshape": _reshape,
    "Shape": lambda inputs, _: torch.tensor(inputs[0].shape, device=inputs[0].device),
    "Sigmoid": lambda inputs, _: torch.sigmoid(inputs[0]),
    "Sub": lambda inputs, _: inputs[0] - inputs[1],
    "Unsqueeze": _unsqueeze,
}
