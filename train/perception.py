"""Which networks stand behind the objective: the open lane's or the paper's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from diffusionact.conversion.paper_perception import load_paper_perception
from diffusionact.losses import LossWeights

LANES = ("open", "paper")


@dataclass(frozen=True)
class PerceptionSettings:
    """Settings of the networks behind the objective.

    Attributes:
        lane: "open" for the bundled networks, "paper" for the paper's, from files of the user.
        face: open lane: what reads landmarks, head pose and gaze, see `load_open_perception`.
        folder: paper lane: holds the files of `conversion.perception_files` under their published names.
        emoca_folder: paper lane: of `diffusionact weights import`.

    Raises:
        ValueError: if the lane is unknown, or a folder of the paper's lane is not given.
    """

    lane: str = "open"
    face: str = "portrait"
    folder: str | None = None
    emoca_folder: str | None = None

    def __post_init__(self) -> None:
        if self.lane not in LANES:
            raise ValueError(f"Expected settings.perception.lane among {LANES}, received {self.lane!r}. Choose one.")
        if self.lane == "paper" and (self.folder is None or self.emoca_folder is None):
            raise ValueError(
                "Expected settings.perception.folder and emoca_folder for the paper's networks, received "
                f"{self.folder!r} and {self.emoca_folder!r}. Give both, or take lane: open."
            )


def load_perception(settings: PerceptionSettings, weights: LossWeights) -> nn.Module:
    """The networks, on the CPU, frozen; a `FacePerception`.

    Raises:
        FileNotFoundError: if a file of the paper's networks is missing; it is named, with its origin and licence.
        ValueError: if a file does not hold its network.
    """
    if settings.lane == "paper":
        return load_paper_perception(weights, Path(settings.folder), Path(settings.emoca_folder))
    from diffusionact.perception import load_open_perception

    return load_open_perception(settings.face)
