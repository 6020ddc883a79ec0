"""Networks of face recognition by name or file, for the identity loss and the metrics CSIM, TL-ID and TG-ID."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from .insightface_arcface import GRAPH
from .network_files import SAFETENSORS_SUFFIX, TensorReader, read_imported
from .open_perception import load_portrait_net
from .perception_files import find_perception_file, load_network
from .photo_identity import load_photo_identity
from .portrait_net import PortraitNet

# The bundled judge of rendered portraits: trained apart from the network that losses use, so that a metric does not
# praise its own loss.
JUDGE = "portrait"
# The bundled judge of photos, whose embeddings are compared by distance.
PHOTO_JUDGE = "photo"
# Files of the catalogue with such a network; the first is the paper's.
IDENTITY_FILES = ("arcface", "insightface")
# As insightface publishes its networks.
ONNX_SUFFIX = ".onnx"


class PortraitIdentity(nn.Module):
    """The identity that a `PortraitNet` reads, as a network of face recognition."""

    def __init__(self, network: PortraitNet):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Embeddings (B, D) of images (B, 3, H, H) in [-1, 1]; the network finds the face without the landmarks."""
        return self.network(images).identity


def load_identity_network(name_or_path: str | Path, read: TensorReader = read_imported) -> nn.Module:
    """A network that says who is on an image: frozen, in evaluation mode, on the CPU.

    Its `forward(images, landmarks)` takes images (B, 3, H, W) RGB in [-1, 1] and landmarks (B, 68, 2) px of them,
    and gives embeddings (B, D) of unit length, differentiable in the images; those of "photo" have other lengths and
    are compared by Euclidean distance, which its attribute `compared_by` says.

    Args:
        name_or_path: "photo" or "portrait", the bundled judges of photos and of rendered portraits; "arcface" or
            "insightface", from the weights folder; or the path of a file with ArcFace IR-SE50 or of one of
            insightface's recognition networks (ONNX), as published or imported.
        read: reads a file; as it stands, imported files only.

    Raises:
        FileNotFoundError: if the file is missing; the message says where it comes from and on what terms.
        ValueError: if the file holds another network, or is not of the kind that `read` knows.
    """
    name = str(name_or_path)
    if name == JUDGE:
        return PortraitIdentity(load_portrait_net("judge"))
    if name == PHOTO_JUDGE:
        return load_photo_identity()
    if name in IDENTITY_FILES:
        return load_network(name, find_perception_file(name), read)
    path = Path(name_or_path)
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected {PHOTO_JUDGE}, {JUDGE}, {', '.join(IDENTITY_FILES)} or the path of a network of face "
            f"recognition, received {name_or_path}, which is no file. `diffusionact weights list` says where "
            "such files come from."
        )
    return load_network("insightface" if _is_of_insightface(path) else "arcface", path, read)


def _is_of_insightface(path: Path) -> bool:
    if path.suffix != SAFETENSORS_SUFFIX:
        return path.suffix == ONNX_SUFFIX
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
        return GRAPH in names
    except SafetensorError:
        return False  # the reader of either says what is wrong with it
