"""The paper's networks behind the objective, of files that the user brings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from ..face.emoca import load_emoca_networks
from ..losses import LossWeights
from ..perception import CombinedPerception
from ..perception.emoca_face import EmocaFace, EmocaGaze
from .perception_files import PERCEPTION_FILES, load_network

# Feature of `CombinedPerception` -> key of PERCEPTION_FILES.
NETWORKS = {"perceptual": "vgg19", "identity": "arcface", "background": "face_parsing", "style": "farl"}


def load_paper_perception(
    weights: LossWeights, folder: Path, emoca_folder: Path, files: Mapping[str, Path] | None = None
) -> CombinedPerception:
    """Load the networks whose terms have a weight, and no others.

    Args:
        weights: of the objective.
        folder: holds the files of `PERCEPTION_FILES` under their published names.
        emoca_folder: of `diffusionact weights import`, for gaze, shape and head pose.
        files: paths of single files elsewhere, by the keys of `PERCEPTION_FILES`.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file does not hold its network, or a key of `files` is unknown.
    """
    files = dict(files or {})
    unknown = sorted(set(files) - set(PERCEPTION_FILES))
    if unknown:
        raise ValueError(f"Expected files for {', '.join(PERCEPTION_FILES)}, received {unknown}. Correct the names.")
    networks: dict[str, nn.Module | None] = {}
    for feature, name in NETWORKS.items():
        file = PERCEPTION_FILES[name]
        if getattr(weights, file.loss) > 0:
            networks[feature] = load_network(name, files.get(name, folder / file.file_name))
    if weights.gaze > 0 or weights.shape > 0 or weights.head_pose > 0:
        emoca = load_emoca_networks(emoca_folder)
        networks["gaze"] = EmocaGaze(emoca.gaze_net) if weights.gaze > 0 else None
        networks["face"] = EmocaFace(emoca.encoders, emoca.flame) if weights.shape + weights.head_pose > 0 else None
    return CombinedPerception(**networks)
