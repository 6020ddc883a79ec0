"""Which networks stand behind the objective: the open lane's or the paper's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from diffusionact.conversion.published_networks import read_network_file
from diffusionact.losses import LossWeights
from diffusionact.perception import load_open_perception, load_paper_perception

LANES = ("open", "paper")


@dataclass(frozen=True)
class PerceptionSettings:
    """Settings of the networks behind the objective.

    Attributes:
        lane: "open" for the bundled networks, "paper" for the paper's, from files of the user.
        face: open lane: what reads landmarks, head pose and gaze, see `load_open_perception`.
        perceptual, identity: paper lane: see `load_paper_perception`.
        folder: paper lane: holds the files; None is the weights folder.
        emoca_folder: paper lane: of EMOCA, FLAME and ETH-XGaze; None is that of the weights folder.

    Raises:
        ValueError: if the lane is unknown.
    """

    lane: str = "open"
    face: str = "portrait"
    perceptual: str = "vgg19"
    identity: str = "arcface"
    folder: str | None = None
    emoca_folder: str | None = None

    def __post_init__(self) -> None:
        if self.lane not in LANES:
            raise ValueError(f"Expected settings.perception.lane among {LANES}, received {self.lane!r}. Choose one.")


def load_perception(settings: PerceptionSettings, weights: LossWeights) -> nn.Module:
    """The networks, on the CPU, frozen; a `FacePerception`.

    Raises:
        FileNotFoundError: if a file of the paper's networks is missing; it is named, with its origin and licence.
        ValueError: if a file does not hold its network.
    """
    if settings.lane == "paper":
        folders = [None if folder is None else Path(folder) for folder in (settings.folder, settings.emoca_folder)]
        return load_paper_perception(
            weights,
            *folders,
            perceptual=settings.perceptual,
            identity=settings.identity,
            read=read_network_file,
        )
    return load_open_perception(settings.face)
