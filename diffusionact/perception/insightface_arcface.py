"""insightface's ArcFace networks (IResNet, MobileFaceNet) as torch modules, for the identity loss and metrics.

`conversion/onnx_graphs.py` reads their ONNX files. Held against onnxruntime and the package insightface in
tests/conversion/test_conversion_onnx_graphs.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..graph_network import GraphNetwork, Operation
from .identity_crops import identity_crops

# The tensor that holds the graph: JSON as bytes. In the state, so that it is read, hashed and checked as the weights.
GRAPH = "graph"
WHITE = 255.0


class InsightFaceArcFace(nn.Module):
    """Identity embeddings of faces.

    Args:
        network: crops (B, 3, 112, 112) RGB -> (B, D).
        takes_levels: whether the network wants crops in [0, 255], as it brings them into its own range itself; else
            it wants [-1, 1].
    """

    def __init__(self, network: GraphNetwork, takes_levels: bool):
        super().__init__()
        self.network, self.takes_levels = network, takes_levels

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> InsightFaceArcFace:
        """The network of the tensors of `graph_state`.

        Raises:
            ValueError: if the graph is none, or holds an unknown operator.
        """
        graph = json.loads(bytes(state[GRAPH].tolist()))
        operations = [Operation(**{**row, "inputs": tuple(row["inputs"])}) for row in graph["operations"]]
        weights = {name: value for name, value in state.items() if name != GRAPH}
        return cls(GraphNetwork(operations, [graph["input"]], [operations[-1].output], weights), graph["takes_levels"])

    def forward(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Embeddings of unit length; differentiable in the images.

        Args:
            images: (B, 3, H, W) RGB in [-1, 1].
            landmarks: (B, 68, 2) px of them.

        Returns:
            (B, D); D is 512 in the published networks.
        """
        return F.normalize(self.embed_crops(identity_crops(images, landmarks)), dim=-1)

    def embed_crops(self, crops: Tensor) -> Tensor:
        """Crops (B, 3, 112, 112) RGB in [-1, 1] -> embeddings (B, D) of any length."""
        return self.network((crops + 1.0) * (WHITE / 2.0) if self.takes_levels else crops)[0]


def graph_state(
    operations: list[Operation], input_name: str, weights: Mapping[str, Tensor], takes_levels: bool
) -> dict[str, Tensor]:
    """One dict of tensors for a file; what `InsightFaceArcFace.from_state` reads."""
    graph = {"operations": [vars(row) for row in operations], "input": input_name, "takes_levels": takes_levels}
    return {GRAPH: torch.tensor(list(json.dumps(graph).encode()), dtype=torch.uint8), **weights}
