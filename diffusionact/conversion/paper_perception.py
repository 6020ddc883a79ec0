"""The paper's networks behind the objective, of files that the user brings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from ..checks import check_choice
from ..losses import LossWeights
from ..perception import CombinedPerception
from ..perception.emoca_face import EmocaFace, EmocaGaze
from .face_reader_files import FACE_READER_NETWORKS, load_face_reader_network
from .identity_networks import IDENTITY_FILES, load_identity_network
from .lpips_files import load_lpips_features
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
) -> CombinedPerception:
    """Load the networks whose terms have a weight, and no others.

    Args:
        weights: of the objective.
        folder: holds the files of `PERCEPTION_FILES` as published or imported; None looks in the weights folder.
        emoca_folder: the part `emoca` of a weights folder, for gaze, shape and head pose; None is that of the weights
            folder.
        files: paths of single files elsewhere, by the names of the catalogue (`diffusionact weights list`).
        perceptual: what the perceptual loss compares: "vgg19", or the maps of "lpips-alex" or "lpips-vgg", whose loss
            is LPIPS.
        identity: "arcface" (IR-SE50), "insightface" (ONNX), or what else `load_identity_network` takes, such as a path.

    Raises:
        FileNotFoundError: if a file is missing; the message says where it comes from, its terms, and which loss
            needs it.
        ValueError: if a file does not hold its network, or a name is unknown.
    """
    files = dict(files or {})
    unknown = sorted(set(files) - set(FILES))
    if unknown:
        raise ValueError(f"Expected files for {', '.join(FILES)}, received {unknown}. Correct the names.")
    check_choice("perceptual", perceptual, PERCEPTUAL)

    def load(name: str) -> nn.Module:
        return load_network(name, files[name] if name in files else find_perception_file(name, folder))

    networks: dict[str, nn.Module] = {}
    if weights.perceptual > 0:
        lpips = perceptual.removeprefix("lpips-")
        networks["perceptual"] = load(perceptual) if lpips == perceptual else load_lpips_features(lpips, folder, files)
    if weights.identity > 0:
        networks["identity"] = load(identity) if identity in IDENTITY_FILES else load_identity_network(identity)
    if weights.background > 0:
        networks["background"] = load("face_parsing")
    if weights.style > 0:
        networks["style"] = load("farl")
    if weights.gaze > 0:
        networks["gaze"] = EmocaGaze(load_face_reader_network("gaze", files, emoca_folder))
    if weights.shape > 0 or weights.head_pose > 0:
        parts = (load_face_reader_network(name, files, emoca_folder) for name in ("emoca", "flame"))
        networks["face"] = EmocaFace(*parts)
    return CombinedPerception(**networks)
