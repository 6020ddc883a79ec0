"""The open lane's door: bundled networks, differentiable, offline, as a `FacePerception` of `losses`."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import load_file

from .portrait_net import PortraitNet

DATA_FOLDER = Path(__file__).resolve().parent / "data" / "portrait"


def read_portrait_net(folder: str | Path) -> PortraitNet:
    """The network of a folder that `python -m train.portrait` wrote: float32, frozen, in evaluation mode."""
    network = PortraitNet.from_config(PortraitNet.load_config(folder))
    network.load_state_dict(load_file(Path(folder) / SAFETENSORS_WEIGHTS_NAME))
    return network.requires_grad_(False).eval().to(memory_format=torch.channels_last)
