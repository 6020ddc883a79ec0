"""The networks and the head model of the paper's face tracking, read together from one folder.

The folder is made by `diffusionact weights import` from the authors' files; sizes are read from the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from .coefficient_encoders import CoefficientEncoders, DecaEncoder
from .face_detector import FaceDetector
from .flame import FlameModel
from .gaze_net import GazeNet
from .landmark_net import LandmarkNet

# Written by training only, and absent from old checkpoints.
COUNTER_SUFFIX = "num_batches_tracked"


NetworkT = TypeVar("NetworkT", bound=nn.Module)


@dataclass(frozen=True)
class EmocaNetworks:
    """Everything that the paper's face tracking needs.

    Attributes:
        detector: finds face boxes.
        landmark_net: 68 landmarks in a face box.
        encoders: coefficients of the face.
        gaze_net: gaze angles.
        flame: coefficients to landmarks.
    """

    detector: FaceDetector
    landmark_net: LandmarkNet
    encoders: CoefficientEncoders
    gaze_net: GazeNet
    flame: FlameModel

    def to(self, device: torch.device | str) -> EmocaNetworks:
        """The same networks, moved to a device."""
        for network in vars(self).values():
            network.to(device)
        return self


@dataclass(frozen=True)
class DecaNetworks:
    """Everything that the face tracking of "Finding Directions" needs; it measures no gaze.

    Attributes:
        detector, landmark_net, flame: see `EmocaNetworks`.
        deca_encoder: coefficients of the face.
    """

    detector: FaceDetector
    landmark_net: LandmarkNet
    deca_encoder: DecaEncoder
    flame: FlameModel

    def to(self, device: torch.device | str) -> DecaNetworks:
        """The same networks, moved to a device."""
        for network in vars(self).values():
            network.to(device)
        return self


def detector_from_state(state: Mapping[str, Tensor]) -> FaceDetector:
    """Face detector of weights under our names."""
    return _filled(FaceDetector, state, len(state["trunk.0.0.weight"]))


def landmark_net_from_state(state: Mapping[str, Tensor]) -> LandmarkNet:
    """Landmark network of weights under our names."""
    return _filled(LandmarkNet, state, len(state["conv_in.weight"]))


def encoders_from_state(state: Mapping[str, Tensor]) -> CoefficientEncoders:
    """Coefficient encoders of weights under our names; the expression's width is the last layer's row count."""
    width = len(state["shape_and_pose.trunk.conv_in.weight"])
    return _filled(CoefficientEncoders, state, len(state["expression.out.weight"]), width)


def deca_encoder_from_state(state: Mapping[str, Tensor]) -> DecaEncoder:
    """DECA's encoder of weights under our names."""
    return _filled(DecaEncoder, state, len(state["encoder.trunk.conv_in.weight"]))


def gaze_net_from_state(state: Mapping[str, Tensor]) -> GazeNet:
    """Gaze network of weights under our names."""
    return _filled(GazeNet, state, len(state["trunk.conv_in.weight"]))


# Attribute of EmocaNetworks -> its file in the folder, and what makes it of the file's tensors.
COMPONENTS: dict[str, tuple[str, Callable[[Mapping[str, Tensor]], nn.Module]]] = {
    "detector": ("face_detector.safetensors", detector_from_state),
    "landmark_net": ("landmark_net.safetensors", landmark_net_from_state),
    "encoders": ("coefficient_encoders.safetensors", encoders_from_state),
    "gaze_net": ("gaze_net.safetensors", gaze_net_from_state),
    "flame": ("flame.safetensors", FlameModel.from_state),
}
# Likewise of DecaNetworks; three files are the same.
DECA_COMPONENTS: dict[str, tuple[str, Callable[[Mapping[str, Tensor]], nn.Module]]] = {
    "detector": COMPONENTS["detector"],
    "landmark_net": COMPONENTS["landmark_net"],
    "deca_encoder": ("deca_encoder.safetensors", deca_encoder_from_state),
    "flame": COMPONENTS["flame"],
}


def weight_names(network: nn.Module) -> set[str]:
    """Names of the tensors that a network's file holds."""
    return {name for name in network.state_dict() if not name.endswith(COUNTER_SUFFIX)}


def build_network(name: str, state: Mapping[str, Tensor], origin: str) -> nn.Module:
    """One component in evaluation mode, of tensors under our names.

    Args:
        name: attribute of `EmocaNetworks` or `DecaNetworks`.
        state: all its weights and nothing else.
        origin: where the tensors come from, for messages.

    Raises:
        ValueError: if weights are missing, unknown, of another shape, or not finite.
    """
    infinite = [key for key, tensor in state.items() if not torch.isfinite(tensor.float()).all()]
    if infinite:
        raise ValueError(
            f"Expected finite weights in {origin}, received NaN or infinite values in {', '.join(infinite[:3])}; "
            f"import the authors' file again."
        )
    try:
        return (COMPONENTS | DECA_COMPONENTS)[name][1](state)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"Expected the weights of the {name.replace('_', ' ')} in {origin}, received {len(state)} tensors that do "
            f"not fit ({' '.join(str(error).split())[:300]}); import the authors' file again with `diffusionact "
            f"weights import`."
        ) from error


def load_emoca_networks(folder: Path) -> EmocaNetworks:
    """Read all components, on the CPU, in evaluation mode, without gradients for their weights.

    Args:
        folder: holds the files named in `COMPONENTS`.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is broken, or its weights are not those of the component.
    """
    return EmocaNetworks(**_load(COMPONENTS, folder))


def load_deca_networks(folder: Path) -> DecaNetworks:
    """The same for `DECA_COMPONENTS`."""
    return DecaNetworks(**_load(DECA_COMPONENTS, folder))


def _load(components: Mapping[str, tuple[str, Any]], folder: Path) -> dict[str, Any]:
    networks = {}
    for name, (file_name, _) in components.items():
        path = Path(folder) / file_name
        networks[name] = build_network(name, _read(path), str(path)).requires_grad_(False)
    return networks


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected {path.name!r} for the paper's face tracking, received the folder {str(path.parent)!r} without "
            f"it; make it from the authors' files with `diffusionact weights import`."
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"Expected a complete safetensors file, received {str(path)!r} of {path.stat().st_size} bytes ({error}); "
            f"import the authors' file again with `diffusionact weights import`."
        ) from error


def _filled(kind: type[NetworkT], state: Mapping[str, Tensor], *sizes: int) -> NetworkT:
    with torch.device("meta"):  # no memory before the weights are known to fit, and no time for random ones
        network = kind(*sizes)
    # Copies, so that the network does not hang on the file, which may be replaced.
    weights = {name: tensor.to(torch.float32, copy=True) for name, tensor in state.items()}
    network.load_state_dict(weights, assign=True)
    return network.eval()
