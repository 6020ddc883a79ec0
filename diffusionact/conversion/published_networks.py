"""Networks behind losses and metrics from the files that their authors published, and from imported ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from ..perception.face_reader_networks import FACE_READER_NETWORKS
from ..perception.identity_networks import ONNX_SUFFIX
from ..perception.insightface_arcface import GRAPH
from ..perception.network_files import SAFETENSORS_SUFFIX, NetworkFile, read_imported
from ..perception.perception_files import PerceptionFile
from .checkpoints import read_checkpoint, state_dict_of
from .face_network_names import face_network_state
from .onnx_graphs import read_recognition_network


def read_network_file(file: NetworkFile, path: Path) -> Mapping[str, Tensor]:
    """The tensors of a file, published or imported: the `TensorReader` to hand to the loaders of `perception`.

    Checkpoints are read as weights only; nothing in them is run.

    Args:
        file: a row of `PERCEPTION_FILES` or `FACE_READER_NETWORKS`.
        path: an existing file.

    Raises:
        ValueError: if it is damaged or something else, or must be imported first.
        ModuleNotFoundError: if it is an ONNX file and the package onnx is not installed.
    """
    if path.suffix == SAFETENSORS_SUFFIX or file.part is None:
        return read_imported(file, path)
    if path.suffix == ONNX_SUFFIX:
        return read_recognition_network(path)
    checkpoint = read_checkpoint(path)
    state = state_dict_of(checkpoint if file.part else {"": checkpoint}, file.part, path)
    of_face_reader = FACE_READER_NETWORKS.get(file.name)
    return state if of_face_reader is None else face_network_state(of_face_reader.component, state, str(path))


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
