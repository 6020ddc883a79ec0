"""ArcFace's IR-SE50 (Deng et al. 2019) for the identity loss, under the names of the published file.

The trunk is `residual_trunk.py`, on the crop of `identity_crops.py`; names are positions in sequences.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from .. import residual_trunk
from ..residual_trunk import OFFICIAL_WIDTH
from .identity_crops import identity_crops

OFFICIAL_EMBEDDING = 512
DROPOUT = 0.6  # without effect here; it holds a place in the published sequence
FINAL_SIZE = 7


class ArcFace(nn.Module):
    """Identity embeddings of faces.

    Args:
        width: channels of the first convolution; the published network has 64.
        embedding: numbers of an embedding; the published network has 512.
    """

    def __init__(self, width: int = OFFICIAL_WIDTH, embedding: int = OFFICIAL_EMBEDDING):
        super().__init__()
        self.input_layer = residual_trunk.input_layer(width)
        self.body = residual_trunk.body(width)
        channels = width * 2 ** (len(residual_trunk.BLOCKS) - 1)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Dropout(DROPOUT),
            nn.Flatten(),
            nn.Linear(channels * FINAL_SIZE**2, embedding),
            nn.BatchNorm1d(embedding),
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> ArcFace:
        """The network of a file's tensors."""
        network = cls(len(state["input_layer.0.weight"]), len(state["output_layer.3.weight"]))
        network.load_state_dict(dict(state))
        return network

    def forward(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Embeddings of unit length; differentiable in the images.

        Args:
            images: (B, 3, H, W) RGB in [-1, 1].
            landmarks: (B, 68, 2) px of them.

        Returns:
            (B, embedding).
        """
        return F.normalize(self.embed_crops(identity_crops(images, landmarks)), dim=-1)

    def embed_crops(self, crops: Tensor) -> Tensor:
        """Crops (B, 3, 112, 112) RGB in [-1, 1] -> embeddings (B, embedding) of any length."""
        return self.output_layer(self.body(self.input_layer(crops)))
