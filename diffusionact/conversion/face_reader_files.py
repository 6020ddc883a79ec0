"""Single networks of the paper's face tracking, for losses and metrics: as imported, or from a published file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..face.readers.emoca import COMPONENTS, build_network
from ..perception.fan_landmarks import FanLandmarks
from ..weights import EMOCA_FOLDER_NAME, catalogue_entry, find_weights, weights_folder
from .checkpoints import read_checkpoint, state_dict_of
from .face_network_names import face_network_state
from .perception_files import missing_file


@dataclass(frozen=True)
class TrackerNetwork:
    """What needs a network of the face tracker besides tracking.

    Attributes:
        component: attribute of `EmocaNetworks`.
        network: in words.
        needed_for: the losses or metric that need it, in words.
        remedy: what a user does who has no such file.
        part: where the weights stand in the published file: empty if the file is nothing else; None if the published
            files must be imported.
    """

    component: str
    network: str
    needed_for: str
    remedy: str
    part: str | None


_POSE = ("the shape and head pose losses", "set the weights of the shape and head pose losses to 0")
_NME = ("the metric NME by 2D-FAN", "measure landmarks with another network")
# By name in the catalogue.
FACE_READER_NETWORKS: dict[str, TrackerNetwork] = {
    "gaze": TrackerNetwork(
        "gaze_net", "ETH-XGaze", "the gaze loss", "set the weight of the gaze loss to 0", "model_state"
    ),
    "emoca": TrackerNetwork("encoders", "EMOCA", *_POSE, "state_dict"),
    "flame": TrackerNetwork("flame", "FLAME", *_POSE, None),
    "s3fd": TrackerNetwork("detector", "S3FD", *_NME, ""),
    "fan": TrackerNetwork("landmark_net", "2D-FAN-4", *_NME, ""),
}


def load_face_reader_network(
    name: str, files: Mapping[str, Path] | None = None, emoca_folder: Path | None = None
) -> nn.Module:
    """One network, on the CPU, in evaluation mode, frozen.

    Args:
        name: key of `FACE_READER_NETWORKS`.
        files: paths of published or imported files by those keys; they go before the folder.
        emoca_folder: the part `emoca` of a weights folder; None is that of the weights folder.

    Raises:
        FileNotFoundError: if there is no file, with its name, source and terms, and what needs it.
        ValueError: if the file is broken or holds another network.
    """
    network, file_name = FACE_READER_NETWORKS[name], COMPONENTS[FACE_READER_NETWORKS[name].component][0]
    if emoca_folder is None:
        found = find_weights(EMOCA_FOLDER_NAME, file_name)
        emoca_folder = found.parent if found else weights_folder() / EMOCA_FOLDER_NAME
    path = (files or {}).get(name, emoca_folder / file_name)
    if not path.is_file():
        raise missing_file(catalogue_entry(name), network.network, network.needed_for, network.remedy, path)
    if path.suffix == ".safetensors":
        state = _read_imported(path, network)
    else:
        state = face_network_state(network.component, _read_published(path, network), str(path))
    return build_network(network.component, state, str(path)).requires_grad_(False)


def load_fan_landmarks(files: Mapping[str, Path] | None = None, emoca_folder: Path | None = None) -> FanLandmarks:
    """The landmarks of the metric NME: S3FD and 2D-FAN-4; arguments and errors as `load_face_reader_network`."""
    detector, landmark_net = (load_face_reader_network(name, files, emoca_folder) for name in ("s3fd", "fan"))
    return FanLandmarks(detector, landmark_net).eval()


def _read_imported(path: Path, network: TrackerNetwork) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"Expected a complete safetensors file of {network.network}, received {path} of {path.stat().st_size} "
            f"bytes ({error}). Import the published file again with `diffusionact weights import`."
        ) from error


def _read_published(path: Path, network: TrackerNetwork) -> Mapping[str, Tensor]:
    if network.part is None:
        raise ValueError(
            f"Expected {network.network} as `diffusionact weights import` writes it, a safetensors file, received "
            f"{path}. Import it first; it is made of two published files."
        )
    checkpoint = read_checkpoint(path)
    return state_dict_of(checkpoint if network.part else {"": checkpoint}, network.part, path)
