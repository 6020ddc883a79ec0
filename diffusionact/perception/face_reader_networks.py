"""Single networks of the paper's face reader, for losses and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ..face.readers.emoca import COMPONENTS, build_network
from ..weights import EMOCA_FOLDER_NAME, find_weights, weights_folder
from .fan_landmarks import FanLandmarks
from .network_files import NetworkFile, TensorReader, missing_file, read_imported


@dataclass(frozen=True)
class FaceReaderNetwork(NetworkFile):
    """What needs a network of the face reader besides reading faces; see `NetworkFile`.

    Attributes:
        component: attribute of `EmocaNetworks`.
    """

    component: str


_POSE = ("the shape and head pose losses", "set the weights of the shape and head pose losses to 0")
_NME = ("the metric NME by 2D-FAN", "measure landmarks with another network")
# By name in the catalogue.
FACE_READER_NETWORKS: dict[str, FaceReaderNetwork] = {
    network.name: network
    for network in (
        FaceReaderNetwork(
            "gaze", "ETH-XGaze", "the gaze loss", "set the weight of the gaze loss to 0", "model_state", "gaze_net"
        ),
        FaceReaderNetwork("emoca", "EMOCA", *_POSE, "state_dict", "encoders"),
        FaceReaderNetwork("flame", "FLAME", *_POSE, None, "flame"),
        FaceReaderNetwork("s3fd", "S3FD", *_NME, "", "detector"),
        FaceReaderNetwork("fan", "2D-FAN-4", *_NME, "", "landmark_net"),
    )
}


def load_face_reader_network(
    name: str,
    files: Mapping[str, Path] | None = None,
    emoca_folder: Path | None = None,
    read: TensorReader = read_imported,
) -> nn.Module:
    """One network, on the CPU, in evaluation mode, frozen.

    Args:
        name: key of `FACE_READER_NETWORKS`.
        files: paths of files by those keys; they go before the folder.
        emoca_folder: the part `emoca` of a weights folder; None is that of the weights folder.
        read: reads a file; as it stands, imported files only.

    Raises:
        FileNotFoundError: if there is no file, with its name, source and terms, and what needs it.
        ValueError: if the file is broken, holds another network, or is not of the kind that `read` knows.
    """
    network, file_name = FACE_READER_NETWORKS[name], COMPONENTS[FACE_READER_NETWORKS[name].component][0]
    if emoca_folder is None:
        found = find_weights(EMOCA_FOLDER_NAME, file_name)
        emoca_folder = found.parent if found else weights_folder() / EMOCA_FOLDER_NAME
    path = (files or {}).get(name, emoca_folder / file_name)
    if not path.is_file():
        raise missing_file(network, path)
    return build_network(network.component, read(network, path), str(path)).requires_grad_(False)


def load_fan_landmarks(
    files: Mapping[str, Path] | None = None, emoca_folder: Path | None = None, read: TensorReader = read_imported
) -> FanLandmarks:
    """The landmarks of the metric NME: S3FD and 2D-FAN-4; arguments and errors as `load_face_reader_network`."""
    networks = (load_face_reader_network(name, files, emoca_folder, read) for name in ("s3fd", "fan"))
    return FanLandmarks(*networks).eval()
