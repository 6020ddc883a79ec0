"""The paper's networks behind the objective, of files that the user brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ..checks import check_choice
from ..losses import LossWeights
from .combined import CombinedPerception
from .emoca_face import EmocaFace, EmocaGaze
from .face_reader_networks import FACE_READER_NETWORKS, load_face_reader_network
from .identity_networks import IDENTITY_FILES, load_identity_network
from .lpips_files import load_lpips_features
from .network_files import TensorReader, read_imported
from .perception_files import PERCEPTION_FILES, find_perception_file, load_network

# Networks to choose from; the first of each is the paper's.
PERCEPTUAL = ("vgg19", "lpips-alex", "lpips-vgg")
FILES = (*PERCEPTION_FILES, *FACE_READER_NETWORKS)


def load_paper_perception(
    weights: LossWeights,
    folder: Path | None = None,
    emoca_folder: Path | None = None,
    files: Mapping[str, Path] | None = None,
    perceptual: str = "vgg19",
    identity: str = "arcface",
    read: TensorReader = read_imported,
) -> CombinedPerception:
    """Load the networks whose terms have a weight, and no others.

    Args:
        weights: of the objective.
        folder: holds the files of `PERCEPTION_FILES`; None looks in the weights folder.
        emoca_folder: the part `emoca` of a weights folder, for gaze, shape and head pose; None is that of the weights
            folder.
        files: paths of single files elsewhere, by the names of the catalogue (`diffusionact weights list`).
        perceptual: what the perceptual loss compares: "vgg19", or the maps of "lpips-alex" or "lpips-vgg", whose loss
            is LPIPS.
        identity: "arcface" (IR-SE50), "insightface" (ONNX), or what else `load_identity_network` takes, such as a path.
        read: reads a file; as it stands, imported files only.

    Raises:
        FileNotFoundError: if a file is missing; the message says where it comes from, its terms, and which loss
            needs it.
        ValueError: if a file does not hold its network or is not of the kind that `read` knows, or a name is unknown.
    """
    files = dict(files or {})
    unknown = sorted(set(files) - set(FILES))
    if unknown:
        raise ValueError(f"Expected files for {', '.join(FILES)}, received {unknown}. Correct the names.")
    check_choice("perceptual", perceptual, PERCEPTUAL)
    loader = _Loader(folder, emoca_folder, files, read)
    makers = {
        "perceptual": (weights.perceptual, lambda: loader.perceptual(perceptual)),
        "identity": (weights.identity, lambda: loader.identity(identity)),
        "background": (weights.background, lambda: loader.network("face_parsing")),
        "style": (weights.style, lambda: loader.network("farl")),
        "gaze": (weights.gaze, lambda: EmocaGaze(loader.of_face_reader("gaze"))),
        "face": (
            max(weights.shape, weights.head_pose),
            lambda: EmocaFace(loader.of_face_reader("emoca"), loader.of_face_reader("flame")),
        ),
    }
    return CombinedPerception(**{name: make() for name, (weight, make) in makers.items() if weight > 0})


@dataclass(frozen=True)
class _Loader:
    """Where the files are and how they are read; see `load_paper_perception`."""

    folder: Path | None
    emoca_folder: Path | None
    files: Mapping[str, Path]
    read: TensorReader

    def network(self, name: str) -> nn.Module:
        path = self.files[name] if name in self.files else find_perception_file(name, self.folder)
        return load_network(name, path, self.read)

    def of_face_reader(self, name: str) -> nn.Module:
        return load_face_reader_network(name, self.files, self.emoca_folder, self.read)

    def perceptual(self, name: str) -> nn.Module:
        backbone = name.removeprefix("lpips-")
        if backbone == name:
            return self.network(name)
        return load_lpips_features(backbone, self.folder, self.files, self.read)

    def identity(self, name: str) -> nn.Module:
        return self.network(name) if name in IDENTITY_FILES else load_identity_network(name, self.read)
