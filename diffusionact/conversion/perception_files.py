"""The files of the paper's networks that a user brings for training: what for, where from, on what terms; and reading.

Files are read with the weights-only reader of `checkpoints.py`, or as safetensors, strictly: every tensor
must be there, of the right shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..perception.arcface import ArcFace
from ..perception.face_parsing import FaceParsing
from ..perception.farl import FaRL
from ..perception.vgg19 import VGG19Features
from .checkpoints import read_checkpoint, state_dict_of

NetworkT = TypeVar("NetworkT", bound=nn.Module)
# Written by training only, and absent from old files.
COUNTER_SUFFIX = "num_batches_tracked"


@dataclass(frozen=True)
class PerceptionFile:
    """What is known of a file before anybody has seen it.

    Attributes:
        network: the network in it, in words.
        loss: the term of the objective that needs it, by its name in `LossWeights`.
        file_name: as published.
        origin: where a user gets it.
        licence: as its publishers state it, in one line.
        part: the entry of the file that holds the weights; empty if the file is nothing else.
        build: makes the network of the file's tensors.
    """

    network: str
    loss: str
    file_name: str
    origin: str
    licence: str
    build: Callable[[Mapping[str, Tensor]], nn.Module]
    part: str = ""

    @property
    def in_words(self) -> str:
        """One line for messages."""
        return f"{self.file_name} ({self.network}; from {self.origin}; licence: {self.licence})"


PERCEPTION_FILES: dict[str, PerceptionFile] = {
    "vgg19": PerceptionFile(
        network="VGG19",
        loss="perceptual",
        file_name="vgg19-dcbb9e9d.pth",
        origin="torchvision, https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        licence="BSD-3-Clause code; trained on ImageNet, whose pictures are for non-commercial research",
        build=VGG19Features.from_state,
    ),
    "arcface": PerceptionFile(
        network="ArcFace IR-SE50",
        loss="identity",
        file_name="model_ir_se50.pth",
        origin="links in the README of TreB1eN/InsightFace_Pytorch",
        licence="MIT code; trained on MS-Celeb-1M faces, so expect research use only",
        build=ArcFace.from_state,
    ),
    "face_parsing": PerceptionFile(
        network="BiSeNet for face parsing",
        loss="background",
        file_name="79999_iter.pth",
        origin="links in the README of zllrunning/face-parsing.PyTorch",
        licence="MIT code; trained on CelebAMask-HQ, non-commercial research only",
        build=FaceParsing.from_state,
    ),
    "farl": PerceptionFile(
        network="FaRL ViT-B/16",
        loss="style",
        file_name="FaRL-Base-Patch16-LAIONFace20M-ep64.pth",
        origin="the releases of FacePerceiver/FaRL",
        licence="MIT code; trained on LAION-Face, whose pictures have terms of their own",
        build=FaRL.from_state,
        part="state_dict",
    ),
}


def load_network(name: str, path: Path) -> nn.Module:
    """One of the networks above, on the CPU, in evaluation mode, frozen; sizes are read from the weights.

    Args:
        name: key of `PERCEPTION_FILES`.
        path: the published file, or its tensors as safetensors.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, holds another network, or values that are not finite.
    """
    file = PERCEPTION_FILES[name]
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected {file.in_words} for the {file.loss} loss, received {path}, which is no file. Get it there, "
            f"give its path, or set the weight of the {file.loss} loss to 0."
        )
    state = {key: value for key, value in _read(file, path).items() if not key.endswith(COUNTER_SUFFIX)}
    infinite = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if infinite:
        raise ValueError(
            f"Expected finite weights of {file.network}, received NaN or infinite values in {', '.join(infinite[:3])} "
            f"of {path}. Get the file again: {file.in_words}."
        )
    try:
        network = _with_counters(file.build, state)
    except (KeyError, RuntimeError, TypeError, ValueError, IndexError) as error:
        raise ValueError(
            f"Expected the weights of {file.network} for the {file.loss} loss, received {path} with {len(state)} "
            f"tensors that do not fit ({' '.join(str(error).split())[:300]}). Get {file.in_words}."
        ) from error
    return network.float().eval().requires_grad_(False)


def _with_counters(build: Callable[[Mapping[str, Tensor]], NetworkT], state: dict[str, Tensor]) -> NetworkT:
    """Build with the counters of batch norms added, which nothing reads in evaluation mode."""
    norms = [key.removesuffix("running_var") for key in state if key.endswith(".running_var")]
    return build({**state, **{f"{norm}{COUNTER_SUFFIX}": torch.zeros((), dtype=torch.long) for norm in norms}})


def _read(file: PerceptionFile, path: Path) -> Mapping[str, Tensor]:
    if path.suffix != ".safetensors":
        content = read_checkpoint(path)
        return state_dict_of(content if file.part else {"": content}, file.part, path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"Expected a complete safetensors file of {file.network}, received {path} ({error}). Convert "
            f"{file.file_name} again."
        ) from error
