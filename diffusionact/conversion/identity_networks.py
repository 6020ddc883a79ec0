"""Networks of face recognition by name or file, for the identity loss and the metrics CSIM, TL-ID and TG-ID."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from .perception_files import load_network

# The bundled judge: trained apart from the network that losses use, so that a metric does not praise its own loss.
JUDGE = "portrait"


def load_identity_network(name_or_path: str | Path) -> nn.Module:
    """A network that says who is on a picture: frozen, in evaluation mode, on the CPU.

    Its `forward(pictures, landmarks)` takes pictures (B, 3, H, W) RGB in [-1, 1] and landmarks (B, 68, 2) px of them,
    and gives embeddings (B, D) of unit length, differentiable in the pictures.

    Args:
        name_or_path: "portrait", the bundled judge; or a file with ArcFace IR-SE50.

    Raises:
        FileNotFoundError: if the file is missing; the message says where it comes from and on what terms.
        ValueError: if it holds another network.
    """
    if str(name_or_path) == JUDGE:
        from ..perception.portrait_net import load_portrait_net

        return load_portrait_net("judge")
    return load_network("arcface", Path(name_or_path))
