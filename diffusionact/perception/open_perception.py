"""The open backend's door: bundled networks, differentiable, offline, as a `FacePerception` of `losses`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from diffusers.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import load_file
from torch import Tensor, nn

from ..checks import check_choice
from ..face.geometry.alignment import transform_points
from ..face.geometry.crop_frame import crop_frame_transform
from ..losses import FaceFeatures
from .landmarker_face import LandmarkerFace
from .portrait_features import style_of
from .portrait_net import FACE, PortraitNet

DATA_FOLDER = Path(__file__).resolve().parent / "data" / "portrait"
# One network trains, the other judges: a judge that was the loss would flatter what it trained.
PORTRAIT_NETS = ("loss", "judge")
FACE_PARTS = ("portrait", "landmarker")


def read_portrait_net(folder: str | Path) -> PortraitNet:
    """The network of a folder that the stage `train_portrait_net` wrote: float32, frozen, in evaluation mode.

    Raises:
        FileNotFoundError: if the folder lacks the network.
    """
    weights = Path(folder) / SAFETENSORS_WEIGHTS_NAME
    if not weights.is_file():
        raise FileNotFoundError(
            f"Expected {SAFETENSORS_WEIGHTS_NAME} and config.json in {str(folder)!r}, received no such file. Train it "
            "with the stage train_portrait_net, or install the package again if it was bundled."
        )
    network = PortraitNet.from_config(PortraitNet.load_config(folder))
    network.load_state_dict(load_file(weights))
    return network.requires_grad_(False).eval().to(memory_format=torch.channels_last)


def load_portrait_net(role: str) -> PortraitNet:
    """A bundled network by its role: "loss" or "judge", trained with other seeds and widths.

    Raises:
        ValueError: for another role.
    """
    check_choice("role", role, PORTRAIT_NETS)
    return read_portrait_net(DATA_FOLDER / role)


class OpenPerception(nn.Module):
    """All features out of one pass of a `PortraitNet`; frozen, always in evaluation mode.

    Where the paper masks "background and hair", the mask is 1 on everything but the face, hence on neck and clothes
    too: the synthetic labels know no more. It is soft, and carries no gradient.

    Args:
        network: the network.
    """

    def __init__(self, network: PortraitNet):
        super().__init__()
        self.network = network
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> OpenPerception:
        """Stay in evaluation mode: in training mode the statistics of batch norms would drift."""
        return super().train(False)

    def forward(self, images: Tensor, landmarks: Tensor) -> FaceFeatures:
        """Features of images; see `FacePerception`.

        The network finds the face itself; `landmarks` only say which crop the found landmarks are measured in.
        """
        reading = self.network(images)
        style = style_of(reading.maps) * self.network.style_scales
        return FaceFeatures(
            perceptual=tuple(
                layer.float() * scale for layer, scale in zip(reading.maps, self.network.map_scales, strict=True)
            ),
            identity=reading.identity,
            background=1 - reading.parsing.detach().softmax(1)[:, FACE, None],
            style=style,
            gaze=reading.gaze,
            landmarks=in_face_crop(reading.landmarks, landmarks),
            head_pose=reading.head_pose,
        )


class OpenPerceptionOfPhotographs(nn.Module):
    """`OpenPerception` whose landmarks, head pose and gaze come from the face landmarker, which knows photographs.

    Identity, mask, perceptual and style features stay the portrait network's.

    Args:
        portrait: fills all features.
        face: reads landmarks, head pose and gaze instead.
    """

    def __init__(self, portrait: OpenPerception, face: LandmarkerFace):
        super().__init__()
        self.portrait, self.face = portrait, face
        self.requires_grad_(False)
        self.eval()

    def forward(self, images: Tensor, landmarks: Tensor) -> FaceFeatures:
        """Features of images; see `FacePerception`."""
        seen = self.face(images, landmarks)
        return replace(
            self.portrait(images, landmarks),
            gaze=seen.gaze,
            landmarks=in_face_crop(seen.landmarks, landmarks),
            head_pose=seen.head_pose,
        )


def in_face_crop(points: Tensor, landmarks: Tensor) -> Tensor:
    """Points (B, N, 2) px of images -> px of the 224 px crop around landmarks (B, 68, 2) px of the same images."""
    # Half precision would round to whole pixels.
    with torch.autocast(points.device.type, enabled=False):
        return transform_points(crop_frame_transform(landmarks.detach().float()).matrix, points.float())


def load_open_perception(face: str = "portrait") -> OpenPerception | OpenPerceptionOfPhotographs:
    """The bundled networks behind losses and metrics; nothing is downloaded.

    Args:
        face: who reads landmarks, head pose and gaze: "portrait", the small network that knows synthetic portraits
            only, or "landmarker", the face reader's nets, for photographs.

    Raises:
        ValueError: for another `face`.
    """
    check_choice("face", face, FACE_PARTS)
    portrait = OpenPerception(load_portrait_net("loss"))
    return portrait if face == "portrait" else OpenPerceptionOfPhotographs(portrait, LandmarkerFace())
