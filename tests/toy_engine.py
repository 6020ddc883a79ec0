"""An engine in one file that knows torch and nothing of ours: it returns the source, moved by the head pose's roll.

`write_model_folder` makes a model of it. `install` makes a package of this file, whose entry point of the group
"diffusionact.engines" is found by every program that has the folder on its path.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

NAME = "toy"
SAMPLE_SIZE = 64


def moved(image: Tensor, roll_deg: float) -> Tensor:
    """An image (..., S) moved to the right by a pixel for each degree; what leaves it comes in on the left."""
    return torch.roll(image, round(roll_deg), dims=-1)


class ToyEngine:
    """Codes: "image" (B, 3, S, S). Conditioning: "roll" (F,), degrees. There is nothing to sample and no network."""

    name = NAME
    landmark_frame = "aligned"
    fingerprint = "0123456789toy"

    def __init__(self, sample_size: int = SAMPLE_SIZE):
        self.sample_size = sample_size
        self.presets: dict[str, Any] = {}
        self.modules: tuple = ()
        self.device = torch.device("cpu")

    def to(self, device, dtype=None) -> ToyEngine:
        """Work on a device."""
        self.device = torch.device(device)
        return self

    def save(self, folder: Path) -> None:
        """Write a model folder."""
        write_model_folder(folder, self.sample_size)

    def encode(self, source, num_inversion_steps=None, on_step=None) -> dict[str, Tensor]:
        """Keep the image."""
        return {"image": source.image}

    def condition(self, source, pose) -> dict[str, Tensor]:
        """Look at the roll alone."""
        return {"roll": pose.head_pose[:, 2].to(self.device)}

    def render(self, source, conditioning, sampling, on_step=None, on_preview=None) -> Tensor:
        """Move the image once for each frame."""
        images = source.codes["image"].expand(len(conditioning), -1, -1, -1)
        rolls = conditioning["roll"].tolist()
        frames = torch.stack([moved(image, roll) for image, roll in zip(images, rolls, strict=True)])
        if on_preview is not None:
            on_preview(frames)
        if on_step is not None:
            on_step(1, 1)
        return frames

    def encode_steps(self, num_inversion_steps=None) -> int:
        """Done at once."""
        return 0

    def check_sampling(self, sampling) -> None:
        """Anything goes: nothing is sampled."""

    def steps_per_frame(self, sampling) -> int:
        """One."""
        return 1

    def activation_bytes(self, num_frames: int) -> int:
        """The frames themselves."""
        return num_frames * 3 * self.sample_size**2 * 4


def load(folder: Path, index: dict[str, Any]) -> ToyEngine:
    """The engine of a model folder."""
    return ToyEngine(index["diffusionact"]["sample_size"])


ENTRY = SimpleNamespace(name=NAME, description="Moves the source by the head pose's roll", load=load)


def write_model_folder(folder: Path, sample_size: int = SAMPLE_SIZE) -> Path:
    """Write a model of this engine into a folder, which is made, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"engine": NAME, "sample_size": sample_size}
    (folder / "model_index.json").write_text(json.dumps({"diffusionact": settings}, indent=2) + "\n")
    return folder


def install(folder: Path) -> Path:
    """Put this file into a folder as an installed package is laid out, and return the folder, for a PYTHONPATH."""
    information = folder / "toy_engine-1.0.dist-info"
    information.mkdir(parents=True)
    shutil.copy2(__file__, folder / "toy_engine.py")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-engine\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[diffusionact.engines]\n{NAME} = toy_engine:ENTRY\n")
    return folder
