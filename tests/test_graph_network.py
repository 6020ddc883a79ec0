"""Networks given as operations: each operator against torch's layer, batches, unknown operators."""

import json

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from diffusionact.face.readers.open.landmarker.graph import DATA_FOLDER, load_bundled_network
from diffusionact.graph_network import GraphNetwork, Operation
from diffusionact.perception.insightface_arcface import InsightFaceArcFace, graph_state


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def run(kind: str, x: torch.Tensor, weights: dict[str, torch.Tensor], **attributes) -> torch.Tensor:
    network = GraphNetwork([Operation(kind, ("in", *weights), "out", attributes)], ["in"], ["out"], weights)
    return network(x)[0]


def test_convolutions_with_all_attributes():
    layer = nn.Conv2d(4, 8, (3, 1), stride=(2, 1), padding=(1, 2), dilation=(2, 1), groups=2)
    x = random(2, 4, 12, 9)
    attributes = {"strides": [2, 1], "pads": [1, 2, 1, 2], "dilations": [2, 1], "group": 2, "kernel_shape": [3, 1]}
    ours = run("Conv", x, {"layer.weight": layer.weight.data, "layer.bias": layer.bias.data}, **attributes)
    torch.testing.assert_close(ours, layer(x))


def test_padding_may_differ_from_side_to_side():
    layer = nn.Conv2d(3, 2, 3, bias=False)
    x = random(1, 3, 6, 6)
    expected = layer(nn.functional.pad(x, (2, 0, 1, 3)))
    torch.testing.assert_close(run("Conv", x, {"w": layer.weight.data}, pads=[1, 2, 3, 0]), expected)
    with pytest.raises(ValueError, match="^Expected convolutions with padding in numbers"):
        run("Conv", x, {"w": layer.weight.data}, auto_pad="SAME_UPPER")


@pytest.mark.parametrize("shape", [(3, 5, 4, 4), (3, 5)])
def test_batch_norm_of_maps_and_of_vectors(shape):
    layer = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(5, eps=2e-3).eval()
    for name, value in layer.named_parameters():
        value.data = random(5).abs() + (name == "weight")
    layer.running_mean, layer.running_var = random(5), random(5).abs()
    weights = {name: getattr(layer, name).data for name in ("weight", "bias", "running_mean", "running_var")}
    torch.testing.assert_close(run("BatchNormalization", random(*shape), weights, epsilon=2e-3), layer(random(*shape)))


def test_prelu_gemm_and_pooling():
    prelu, linear = nn.PReLU(5), nn.Linear(6, 4)
    prelu.weight.data = random(5)
    x = random(3, 5, 4, 4)
    torch.testing.assert_close(run("PRelu", x, {"slope": prelu.weight.data[:, None, None]}), prelu(x))
    flat = random(3, 6)
    weights = {"w": linear.weight.data, "b": linear.bias.data}
    torch.testing.assert_close(run("Gemm", flat, weights, transB=1), linear(flat))
    expected = 0.5 * flat @ linear.weight.T + 2.0 * linear.bias
    torch.testing.assert_close(run("Gemm", flat, weights, transB=1, alpha=0.5, beta=2.0), expected)
    torch.testing.assert_close(run("GlobalAveragePool", x, {}), nn.AdaptiveAvgPool2d(1)(x))
    torch.testing.assert_close(run("Flatten", x, {}), x.flatten(1))


@pytest.mark.parametrize("sizes", [[1, -1], [1, 80], [-1, 80], [0, -1], [3, 80]])
def test_a_network_written_for_one_image_takes_a_batch(sizes):
    x = random(3, 5, 4, 4)
    assert torch.equal(run("Reshape", x, {"sizes": torch.tensor(sizes)}), x.flatten(1))


def test_sizes_may_be_computed_in_the_graph():
    operations = [
        Operation("Shape", ("in",), "shape"),
        Operation("Gather", ("shape", "zero"), "batch", {"axis": 0}),
        Operation("Unsqueeze", ("batch",), "first", {"axes": [0]}),
        Operation("Concat", ("first", "rest"), "sizes", {"axis": 0}),
        Operation("Reshape", ("in", "sizes"), "out"),
    ]
    weights = {"zero": torch.tensor(0), "rest": torch.tensor([-1])}
    x = random(3, 5, 4, 4)
    assert torch.equal(GraphNetwork(operations, ["in"], ["out"], weights)(x)[0], x.flatten(1))


def test_unknown_operators_are_named():
    with pytest.raises(ValueError, match="^Expected a network of the operators .*received one with Einsum"):
        run("Einsum", random(1), {})


@pytest.mark.parametrize("takes_levels", [False, True])
def test_a_state_gives_back_the_network_with_its_range(takes_levels):
    operations = [
        Operation("GlobalAveragePool", ("data",), "pooled"),
        Operation("Flatten", ("pooled",), "flat", {"axis": 1}),
        Operation("MatMul", ("flat", "fc.weight"), "out"),
    ]
    weights = {"fc.weight": random(3, 4)}
    network = InsightFaceArcFace.from_state(graph_state(operations, "data", weights, takes_levels))
    crops = random(2, 3, 112, 112).clamp(-1, 1)
    means = crops.mean((2, 3))
    expected = ((means + 1) * 127.5 if takes_levels else means) @ weights["fc.weight"]
    torch.testing.assert_close(network.embed_crops(crops), expected, atol=1e-4, rtol=1e-4)


def convolve(node, x, weight, bias):
    return F.conv2d(F.pad(x, node["padding"]), weight, bias, node["stride"], groups=node["groups"])


def pooled(node, x):
    return F.max_pool2d(x, node["kernel"], node["stride"])


def reshape(node, x):
    return (x.permute(0, 2, 3, 1) if node["channels_first"] else x).reshape(len(x), *node["shape"])


def join(node, *parts):
    return torch.cat([part.expand(max(map(len, parts)), *part.shape[1:]) for part in parts], node["axis"])


# What each kind of node of the bundled graphs means, written out a second time.
MEANINGS = {
    "convolution": convolve, "max_pool": pooled, "reshape": reshape, "concatenate": join,
    "linear": lambda node, *operands: F.linear(*operands), "prelu": lambda node, *operands: F.prelu(*operands),
    "pad_channels": lambda node, x: F.pad(x, (0, 0, 0, 0, 0, node["count"])),
    "permute": lambda node, x: x.permute(node["axes"]),
    "first": lambda node, x: x.narrow(node["axis"], 0, node["count"]),
    "mean": lambda node, x: x.mean(node["axes"], keepdim=True),
    "sum": lambda node, x: x.sum(node["axes"], keepdim=True),
    "add": lambda node, x, y: x + y, "subtract": lambda node, x, y: x - y, "multiply": lambda node, x, y: x * y,
    "divide": lambda node, x, y: x / y, "squared_difference": lambda node, x, y: (x - y).square(),
    "negate": lambda node, x: -x, "sqrt": lambda node, x: x.sqrt(), "rsqrt": lambda node, x: x.rsqrt(),
    "relu": lambda node, x: F.relu(x), "sigmoid": lambda node, x: x.sigmoid(),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shape"),
    [("face_detector", (2, 3, 128, 128)), ("face_mesh", (2, 3, 256, 256)), ("face_blendshapes", (3, 146, 2))],
)
def test_bundled_nets_give_the_bits_of_their_graphs(name, shape):
    graph = json.loads((DATA_FOLDER / f"{name}.json").read_text())
    values = {key: tensor.float() for key, tensor in load_file(DATA_FOLDER / f"{name}.safetensors").items()}
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    values[graph["inputs"][0]] = x
    for node in graph["nodes"]:
        names = node["inputs"] + [node[role] for role in ("weight", "bias") if role in node]
        result = MEANINGS[node["kind"]](node, *(values[key] for key in names))
        values[node["output"]] = {"relu": F.relu, "relu6": F.relu6, None: lambda y: y}[node.get("activation")](result)
    for ours, key in zip(load_bundled_network(name)(x), graph["outputs"], strict=True):
        assert torch.equal(ours, values[key])
