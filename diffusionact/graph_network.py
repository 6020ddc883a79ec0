"""A network given as a list of operations, run by torch: differentiable, on any device, with any batch.

Two formats come as operations: ONNX files of face recognition (`conversion/onnx_graphs.py`) and the graphs of
MediaPipe's nets that ship with the package (`face/readers/open/landmarker/graph.py`). One table serves both: ONNX's
operators have its names, those that mean something else in MediaPipe's graphs have names in small letters.
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
        kind: a key of `OPERATORS`.
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
        inputs: names of what goes in.
        outputs: names of what comes out.
        weights: by the names that the operations have for them; kept as buffers, so nothing here trains.

    Raises:
        ValueError: if an operator is unknown, or an operation asks for a value that is not there.
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        inputs: Sequence[str],
        outputs: Sequence[str],
        weights: Mapping[str, Tensor],
    ):
        super().__init__()
        check_operators(operation.kind for operation in operations)
        _check_order(operations, {*inputs, *weights})
        self.operations, self.inputs, self.outputs = tuple(operations), tuple(inputs), tuple(outputs)
        self.last_use = {name: index for index, operation in enumerate(operations) for name in operation.inputs}
        # Names in files may hold points, which names of tensors in a module must not.
        self.keys = {name: f"weight_{number}" for number, name in enumerate(weights)}
        for name, value in weights.items():
            self.register_buffer(self.keys[name], value)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the network; inputs and outputs are in the order of their names, batch first."""
        values = {name: self.get_buffer(key) for name, key in self.keys.items()}
        values |= zip(self.inputs, inputs, strict=True)
        for index, operation in enumerate(self.operations):
            operands = [values[name] if name else None for name in operation.inputs]
            values[operation.output] = OPERATORS[operation.kind](operands, operation.attributes)
            for name in set(operation.inputs) - {"", *self.outputs}:
                if self.last_use[name] == index:
                    del values[name]  # a batch of large images would otherwise keep every layer alive
        return tuple(values[name] for name in self.outputs)


def check_operators(kinds: Iterable[str]) -> None:
    """Raise ValueError unless all of these operators are known."""
    unknown = sorted(set(kinds) - OPERATORS.keys())
    if unknown:
        raise ValueError(
            f"Expected a network of the operators {', '.join(OPERATORS)}, received one with {', '.join(unknown)}. Take "
            "a file that insightface published."
        )


def _check_order(operations: Sequence[Operation], known: set[str]) -> None:
    for operation in operations:
        missing = [name for name in operation.inputs if name and name not in known]
        if missing:
            raise ValueError(
                f"Expected a network whose operations find their inputs and weights, received {operation.kind!r} "
                f"without {', '.join(missing)}. Convert the network again."
            )
        known.add(operation.output)


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


def _reshape_rows(inputs: Inputs, attributes: Attributes) -> Tensor:
    """Reshape each row of the batch; `channels_first`: the graph's author reshaped (B, H, W, C)."""
    x = inputs[0].permute(0, 2, 3, 1) if attributes["channels_first"] else inputs[0]
    return x.reshape(len(x), *attributes["shape"])


def _concatenate_rows(inputs: Inputs, attributes: Attributes) -> Tensor:
    # A constant part (the extra token of the blendshape net) has batch 1.
    batch = max(len(part) for part in inputs)
    return torch.cat([part.expand(batch, *part.shape[1:]) for part in inputs], attributes["axis"])


def _first(inputs: Inputs, attributes: Attributes) -> Tensor:
    return inputs[0].narrow(attributes["axis"], 0, attributes["count"])


def _resize(inputs: Inputs, attributes: Attributes) -> Tensor:
    return F.interpolate(inputs[0], attributes["size"], mode="bilinear", align_corners=attributes["align_corners"])


# Sources: the definitions in the ONNX standard, operator sets 7 to 21; in small letters those of MediaPipe's graphs.
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
    "Neg": lambda inputs, _: -inputs[0],
    "PRelu": _prelu,
    "Relu": lambda inputs, _: F.relu(inputs[0]),
    "Reshape": _reshape,
    "Shape": lambda inputs, _: torch.tensor(inputs[0].shape, device=inputs[0].device),
    "Sigmoid": lambda inputs, _: torch.sigmoid(inputs[0]),
    "Sqrt": lambda inputs, _: inputs[0].sqrt(),
    "Sub": lambda inputs, _: inputs[0] - inputs[1],
    "Transpose": lambda inputs, attributes: inputs[0].permute(attributes["perm"]),
    "Unsqueeze": _unsqueeze,
    "concatenate": _concatenate_rows,
    "first": _first,
    "hard_swish": lambda inputs, _: F.hardswish(inputs[0]),
    "linear": lambda inputs, _: F.linear(*inputs),
    "max_pool": lambda inputs, attributes: F.max_pool2d(inputs[0], attributes["kernel"], attributes["stride"]),
    "mean": lambda inputs, attributes: inputs[0].mean(attributes["axes"], keepdim=True),
    "pad_channels": lambda inputs, attributes: F.pad(inputs[0], (0, 0, 0, 0, 0, attributes["count"])),
    "prelu": lambda inputs, _: F.prelu(*inputs),
    "relu6": lambda inputs, _: F.relu6(inputs[0]),
    "reshape": _reshape_rows,
    "resize": _resize,
    "rsqrt": lambda inputs, _: inputs[0].rsqrt(),
    "squared_difference": lambda inputs, _: (inputs[0] - inputs[1]).square(),
    "sum": lambda inputs, attributes: inputs[0].sum(attributes["axes"], keepdim=True),
    "transposed_convolution": lambda inputs, attributes: F.conv_transpose2d(*inputs, attributes["stride"]),
}
