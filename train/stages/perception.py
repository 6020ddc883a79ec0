"""Which networks stand behind the objective: the open ones or the paper's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from diffusionact.conversion.published_networks import read_network_file
from diffusionact.losses import LossWeights
from diffusionact.perception import PortraitNet, load_open_perception, load_paper_perception


@dataclass(frozen=True)
class PerceptionSettings:
    """Settings of the networks behind the objective.

    Attributes:
        backend: "open" for the bundled networks, "paper" for the paper's, from files of the user.
        face: open backend: what reads landmarks, head pose and gaze, see `load_open_perception`.
        perceptual, identity: paper backend: see `load_paper_perception`.
        folder: paper backend: holds the files; None is the weights folder.
        emoca_folder: paper backend: of EMOCA, FLAME and ETH-XGaze; None is that of the weights folder.
    """

    backend: Literal["open", "paper"] = "open"
    face: str = "portrait"
    perceptual: str = "vgg19"
    identity: str = "arcface"
    folder: str | None = None
    emoca_folder: str | None = None


def load_perception(settings: PerceptionSettings, weights: LossWeights) -> nn.Module:
    """The networks, on the CPU, frozen; a `FacePerception`.

    Raises:
        FileNotFoundError: if a file of the paper's networks is missing; it is named, with its origin and licence.
        ValueError: if a file does not hold its network.
    """
    if settings.backend == "paper":
        folders = [None if folder is None else Path(folder) for folder in (settings.folder, settings.emoca_folder)]
        return load_paper_perception(
            weights,
            *folders,
            perceptual=settings.perceptual,
            identity=settings.identity,
            read=read_network_file,
        )
    return load_open_perception(settings.face)


def scaled_maps(network: PortraitNet, images: Tensor) -> list[Tensor]:
    """Feature maps of images (B, 3, S, S) in [-1, 1], scaled as `losses.perceptual_loss` takes them."""
    return [maps * scale for maps, scale in zip(network(images).maps, network.map_scales, strict=True)]
