"""Reads the networks behind losses and metrics from the files of the catalogue: as published, or as imported.

Published files are read with the weights-only reader of `checkpoints.py` or by `onnx_graphs.py`; imported ones are
safetensors. Both strictly: every tensor must be there, of the right shape. What a file is, where it comes from and on
what terms stands in `weights/perception_catalogue.py` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..perception.arcface import ArcFace
from ..perception.face_parsing import FaceParsing
from ..perception.farl import PREFIX as FARL_PREFIX
from ..perception.farl import FaRL
from ..perception.insightface_arcface import GRAPH, InsightFaceArcFace
from ..perception.lpips import ActivationMaps, LearntWeights
from ..perception.vgg19 import VGG19Features
from ..weights import PERCEPTION_FOLDER_NAME, OfficialFile, catalogue_entry, find_weights, weights_folder
from .checkpoints import read_checkpoint, state_dict_of
from .onnx_graphs import ONNX_SUFFIX, read_recognition_network

NetworkT = TypeVar("NetworkT", bound=nn.Module)
# Written by training only, and absent from old files.
COUNTER_SUFFIX = "num_batches_tracked"
# What missing weights, weights of other shapes and texts that are no graph make networks raise.
BUILDING_ERRORS = (KeyError, RuntimeError, TypeError, ValueError, IndexError)


@dataclass(frozen=True)
class PerceptionFile:
    """How a network is made of a file.

    Attributes:
        name: of its entry in the catalogue.
        network: in words.
        needed_for: the loss or metric that needs it, in words.
        remedy: what a user does who has no such file.
        build: makes the network of the file's tensors.
        part: the entry of the published file that holds the weights; empty if the file is nothing else.
        prefix: of the names of the network's weights in the file.
    """

    name: str
    network: str
    needed_for: str
    remedy: str
    build: Callable[[Mapping[str, Tensor]], nn.Module]
    part: str = ""
    prefix: str = ""

    @property
    def entry(self) -> OfficialFile:
        """What the catalogue says of the file."""
        return catalogue_entry(self.name)

    @property
    def in_words(self) -> str:
        """One line for messages."""
        return file_in_words(self.entry, self.network)


def _of_loss(name: str, network: str, loss: str, build: Callable[..., nn.Module], **where: str) -> PerceptionFile:
    return PerceptionFile(name, network, f"the {loss} loss", f"set the weight of the {loss} loss to 0", build, **where)


def _of_lpips(name: str, network: str, build: Callable[..., nn.Module]) -> PerceptionFile:
    return PerceptionFile(name, network, "LPIPS", "leave LPIPS out", build)


PERCEPTION_FILES: dict[str, PerceptionFile] = {
    file.name: file
    for file in (
        _of_loss("vgg19", "VGG19", "perceptual", VGG19Features.from_state),
        _of_loss("arcface", "ArcFace IR-SE50", "identity", ArcFace.from_state),
        _of_loss("insightface", "insightface's ArcFace", "identity", InsightFaceArcFace.from_state),
        _of_loss("face_parsing", "BiSeNet for face parsing", "background", FaceParsing.from_state),
        _of_loss("farl", "FaRL ViT-B/16", "style", FaRL.from_state, part="state_dict", prefix=FARL_PREFIX),
        _of_lpips("alexnet", "AlexNet", partial(ActivationMaps.from_state, "alex")),
        _of_lpips("lpips-alex", "LPIPS-Alex's learnt weights", LearntWeights.from_state),
        _of_lpips("vgg16", "VGG16", partial(ActivationMaps.from_state, "vgg")),
        _of_lpips("lpips-vgg", "LPIPS-VGG's learnt weights", LearntWeights.from_state),
    )
}


def file_in_words(entry: OfficialFile, network: str) -> str:
    """File, network, source and terms, in one line for messages."""
    names = " or ".join(entry.file_names)
    return f"{names} ({network}; from {entry.origin}; licence: {entry.licence})"


def find_file(entry: OfficialFile, folder: Path | None = None) -> Path | None:
    """Where a file of the catalogue lies, as imported or as published; None if it is nowhere.

    Args:
        entry: of the catalogue.
        folder: the only folder to look in; None looks in the weights folders and in `perception` in them.
    """
    names = (Path(entry.component).name, *entry.file_names)
    if folder is not None:
        return next((folder / name for name in names if (folder / name).is_file()), None)
    places = [tuple(entry.component.split("/")), *((PERCEPTION_FOLDER_NAME, name) for name in names)]
    found = (find_weights(*place) for place in [*places, *((name,) for name in entry.file_names)])
    return next((path for path in found if path is not None), None)


def missing_file(entry: OfficialFile, network: str, needed_for: str, remedy: str, place: Path) -> FileNotFoundError:
    """The error of a file that is not there: which, where it comes from, its terms, what needs it, what to do."""
    return FileNotFoundError(
        f"Expected {file_in_words(entry, network)} for {needed_for}, received {place} without it. To get it, "
        f"{_instruction(entry)} and run `diffusionact weights import` with it, or give its path, or {remedy}."
    )


def find_perception_file(name: str, folder: Path | None = None) -> Path:
    """The file of one of the networks above; see `find_file`.

    Raises:
        FileNotFoundError: if there is none, with its name, source and terms, and the loss that needs it.
    """
    file = PERCEPTION_FILES[name]
    path = find_file(file.entry, folder)
    if path is None:
        raise missing_file(file.entry, file.network, file.needed_for, file.remedy, folder or weights_folder())
    return path


def load_network(name: str, path: Path) -> nn.Module:
    """One of the networks above, on the CPU, in evaluation mode, frozen; sizes are read from the weights.

    Args:
        name: key of `PERCEPTION_FILES`.
        path: the published file, or its tensors as safetensors.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, holds another network, or values that are not finite.
        ModuleNotFoundError: if it is an ONNX file and the package onnx is not installed.
    """
    file = PERCEPTION_FILES[name]
    return build_perception_network(file, read_tensors(file, path), path)


def read_tensors(file: PerceptionFile, path: Path) -> dict[str, Tensor]:
    """The tensors of a file, without the counters of training.

    Raises:
        FileNotFoundError, ValueError, ModuleNotFoundError: as `load_network`.
    """
    if not path.is_file():
        raise missing_file(file.entry, file.network, file.needed_for, file.remedy, path)
    return {key: value for key, value in _read(file, path).items() if not key.endswith(COUNTER_SUFFIX)}


def build_perception_network(file: PerceptionFile, state: Mapping[str, Tensor], origin: Path | str) -> nn.Module:
    """The network of tensors; `origin` says in messages where they come from.

    Raises:
        ValueError: as `load_network`.
    """
    infinite = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if infinite:
        raise ValueError(
            f"Expected finite weights of {file.network}, received NaN or infinite values in {', '.join(infinite[:3])} "
            f"of {origin}. Get the file again: {file.in_words}."
        )
    try:
        network = _with_counters(file.build, state)
    except BUILDING_ERRORS as error:
        raise ValueError(
            f"Expected the weights of {file.network} for {file.needed_for}, received {origin} with {len(state)} "
            f"tensors that do not fit ({' '.join(str(error).split())[:300]}). Get {file.in_words}."
        ) from error
    return network.float().eval().requires_grad_(False)


def used_tensors(file: PerceptionFile, state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Of a published file what its network needs, under the published names."""
    if GRAPH in state:
        return dict(state)
    own = network.state_dict()
    return {
        name: value
        for name, value in state.items()
        if name.startswith(file.prefix) and name.removeprefix(file.prefix) in own
    }


def _instruction(entry: OfficialFile) -> str:
    return f"run {entry.how_to_get}" if entry.url else entry.how_to_get


def _with_counters(build: Callable[[Mapping[str, Tensor]], NetworkT], state: Mapping[str, Tensor]) -> NetworkT:
    """Build with the counters of batch norms added, which nothing reads in evaluation mode."""
    if GRAPH in state:
        return build(state)
    norms = [key.removesuffix("running_var") for key in state if key.endswith(".running_var")]
    return build({**state, **{f"{norm}{COUNTER_SUFFIX}": torch.zeros((), dtype=torch.long) for norm in norms}})


def _read(file: PerceptionFile, path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ONNX_SUFFIX:
        return read_recognition_network(path)
    if path.suffix != ".safetensors":
        content = read_checkpoint(path)
        return state_dict_of(content if file.part else {"": content}, file.part, path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"Expected a complete safetensors file of {file.network}, received {path} ({error}). Convert "
            f"{' or '.join(file.entry.file_names)} again."
        ) from error
