"""The paper's networks behind the objective, of files that the user brings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from diffusionact.face.emoca import load_emoca_networks
from diffusionact.face.emoca.coefficient_encoders import CoefficientEncoders
from diffusionact.face.emoca.crops import crop_for_encoders
from diffusionact.face.emoca.flame import FlameModel, official_angles
from diffusionact.face.emoca.gaze_net import GazeNet
from diffusionact.losses import LossWeights

from .combined import CombinedPerception
from .weight_files import PERCEPTION_FILES, load_network

# Feature of `CombinedPerception` -> key of PERCEPTION_FILES.
NETWORKS = {"perceptual": "vgg19", "identity": "arcface", "background": "face_parsing", "style": "farl"}


class EmocaFace(nn.Module):
    """Landmarks and head pose by EMOCA and FLAME, differentiable in the pictures."""

    def __init__(self, encoders: CoefficientEncoders, flame: FlameModel):
        super().__init__()
        self.encoders, self.flame = encoders, flame

    def forward(self, pictures: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """Face of aligned pictures.

        Args:
            pictures: (B, 3, H, W) in [-1, 1].
            landmarks: (B, 68, 2) px of them.

        Returns:
            Landmarks (B, 68, 2) px of the 224 px crop, and the authors' head angles (B, 3) yaw, pitch, roll in degrees.
        """
        coefficients = self.encoders(crop_for_encoders(pictures, landmarks)).coefficients()
        return self.flame.landmarks(coefficients), official_angles(coefficients.rotation)


class EmocaGaze(nn.Module):
    """Gaze by ETH-XGaze's network, differentiable in the pictures."""

    def __init__(self, gaze_net: GazeNet):
        super().__init__()
        self.gaze_net = gaze_net

    def forward(self, pictures: Tensor, landmarks: Tensor) -> Tensor:
        """Pitch, yaw (B, 2) in radians of pictures (B, 3, H, H) in [-1, 1] with landmarks (B, 68, 2) px."""
        return self.gaze_net.gaze(pictures, landmarks)


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
