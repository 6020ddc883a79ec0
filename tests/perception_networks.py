"""Tiny instances of the networks behind the losses, and the made-up faces that they look at."""

import torch
from torch import Tensor, nn

from diffusionact.face.ibug68 import LEFT_EYE, RIGHT_EYE
from diffusionact.perception.arcface import ArcFace
from diffusionact.perception.face_parsing import FaceParsing
from diffusionact.perception.farl import FaRL
from diffusionact.perception.identity_crops import TEMPLATE
from diffusionact.perception.vgg19 import VGG19Features

TINY_FARL = {"width": 8, "layers": 2, "features": 6, "grid": 3}


def tiny_perception_networks() -> dict[str, nn.Module]:
    """By the keys of `PERCEPTION_FILES`; random weights, batch norms that change something."""
    torch.manual_seed(0)
    networks = {
        "vgg19": VGG19Features(4),
        "arcface": ArcFace(4, 8),
        "face_parsing": FaceParsing(4, input_size=64),
        "farl": FaRL(**TINY_FARL),
    }
    for network in networks.values():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif name.endswith(("running_mean", "embedding", "proj")):
                tensor.normal_(std=0.3)
        network.eval()
    return networks


def tiny_pictures(size: int = 64, count: int = 2) -> Tensor:
    """Smooth colours (B, 3, size, size) in [-1, 1]."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, 3, 8, 8, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")


def template_landmarks(size: float, count: int = 2) -> Tensor:
    """Landmarks whose eyes, nose tip and mouth corners lie where ArcFace's template has them in a square of `size`."""
    places = torch.tensor(TEMPLATE) * (size / 112)
    generator = torch.Generator().manual_seed(2)
    landmarks = size * (0.2 + 0.6 * torch.rand(68, 2, generator=generator))
    landmarks[list(RIGHT_EYE)], landmarks[list(LEFT_EYE)] = places[0], places[1]
    landmarks[[30, 48, 54]] = places[2:]
    return landmarks.expand(count, 68, 2).clone()
