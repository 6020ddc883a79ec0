"""The networks behind losses and metrics, by their names in the catalogue: each made of the tensors of its file.

Strictly: every tensor must be there, of the right shape, with finite values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..weights import weights_folder
from .arcface import ArcFace
from .face_parsing import FaceParsing
from .farl import PREFIX as FARL_PREFIX
from .farl import FaRL
from .insightface_arcface import GRAPH, InsightFaceArcFace
from .lpips import ActivationMaps, LearntWeights
from .network_files import NetworkFile, TensorReader, find_file, missing_file, read_imported
from .vgg19 import VGG19Features

NetworkT = TypeVar("NetworkT", bound=nn.Module)
# Written by training only, and absent from old files.
COUNTER_SUFFIX = "num_batches_tracked"
# What missing weights, weights of other shapes and texts that are no graph make networks raise.
BUILDING_ERRORS = (KeyError, RuntimeError, TypeError, ValueError, IndexError)


@dataclass(frozen=True)
class PerceptionFile(NetworkFile):
    """How a network is made of a file; see `NetworkFile`.

    Attributes:
        build: makes the network of the file's tensors.
        prefix: of the names of the network's weights in the file.
    """

    build: Callable[[Mapping[str, Tensor]], nn.Module]
    prefix: str = ""


def _of_loss(
    name: str, network: str, loss: str, build: Callable[..., nn.Module], part: str = "", prefix: str = ""
) -> PerceptionFile:
    remedy = f"set the weight of the {loss} loss to 0"
    return PerceptionFile(name, network, f"the {loss} loss", remedy, part, build, prefix)


def _of_lpips(name: str, network: str, build: Callable[..., nn.Module]) -> PerceptionFile:
    return PerceptionFile(name, network, "LPIPS", "leave LPIPS out", "", build)


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


def find_perception_file(name: str, folder: Path | None = None) -> Path:
    """The file of one of the networks above; see `find_file`.

    Raises:
        FileNotFoundError: if there is none, with its name, source and terms, and the loss that needs it.
    """
    file = PERCEPTION_FILES[name]
    path = find_file(file.entry, folder)
    if path is None:
        raise missing_file(file, folder or weights_folder())
    return path


def load_network(name: str, path: Path, read: TensorReader = read_imported) -> nn.Module:
    """One of the networks above, on the CPU, in evaluation mode, frozen; sizes are read from the weights.

    Args:
        name: key of `PERCEPTION_FILES`.
        path: of its file.
        read: reads the file; as it stands, imported files only.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, holds another network, or values that are not finite, or is not of the kind that
            `read` knows.
    """
    file = PERCEPTION_FILES[name]
    return build_perception_network(file, read_tensors(file, path, read), path)


def read_tensors(file: PerceptionFile, path: Path, read: TensorReader = read_imported) -> dict[str, Tensor]:
    """The tensors of a file, without the counters of training.

    Raises:
        FileNotFoundError, ValueError: as `load_network`.
    """
    if not path.is_file():
        raise missing_file(file, path)
    return {key: value for key, value in read(file, path).items() if not key.endswith(COUNTER_SUFFIX)}


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


def _with_counters(build: Callable[[Mapping[str, Tensor]], NetworkT], state: Mapping[str, Tensor]) -> NetworkT:
    """Build with the counters of batch norms added, which nothing reads in evaluation mode."""
    if GRAPH in state:
        return build(state)
    norms = [key.removesuffix("running_var") for key in state if key.endswith(".running_var")]
    return build({**state, **{f"{norm}{COUNTER_SUFFIX}": torch.zeros((), dtype=torch.long) for norm in norms}})
