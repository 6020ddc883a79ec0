"""Tiny instances of the networks behind the losses, and the made-up faces that they look at."""

import torch
from torch import Tensor, nn

from diffusionact.face.geometry.ibug68 import LEFT_EYE, RIGHT_EYE
from diffusionact.face.geometry.resize import resize_points
from diffusionact.perception.arcface import ArcFace
from diffusionact.perception.face_parsing import FaceParsing
from diffusionact.perception.farl import FaRL
from diffusionact.perception.identity_crops import TEMPLATE
from diffusionact.perception.lpips import BACKBONES, ActivationMaps, LearntWeights
from diffusionact.perception.vgg19 import VGG19Features

TINY_FARL = {"width": 8, "layers": 2, "features": 6, "grid": 3}
TINY_LPIPS_WIDTH = 4
# What the published files hold and the networks do not need.
UNUSED = {
    "vgg19": {
        **{f"features.{number}.weight": torch.zeros(2) for number in (30, 32, 34)},
        "classifier.6.weight": torch.zeros(2),
    },
    "vgg16": {"classifier.6.weight": torch.zeros(2)},
    "alexnet": {"classifier.6.weight": torch.zeros(2)},
    "face_parsing": {"conv_out16.conv_out.weight": torch.zeros(2), "conv_out32.conv.bn.running_var": torch.zeros(2)},
    "farl": {"text_projection": torch.zeros(2), "logit_scale": torch.zeros(())},
}


def tiny_perception_networks() -> dict[str, nn.Module]:
    """By the keys of `PERCEPTION_FILES`, but insightface; random weights, batch norms that change something."""
    torch.manual_seed(0)
    networks = {
        "vgg19": VGG19Features(4),
        "arcface": ArcFace(4, 8),
        "face_parsing": FaceParsing(4, input_size=64),
        "farl": FaRL(**TINY_FARL),
        "alexnet": ActivationMaps("alex", TINY_LPIPS_WIDTH),
        "lpips-alex": tiny_learnt_weights("alex"),
        "vgg16": ActivationMaps("vgg", TINY_LPIPS_WIDTH),
        "lpips-vgg": tiny_learnt_weights("vgg"),
    }
    for network in networks.values():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif name.endswith(("running_mean", "embedding", "proj")):
                tensor.normal_(std=0.3)
        network.eval()
    return networks


def tiny_learnt_weights(backbone: str) -> LearntWeights:
    """Weights of at least 0, as the published ones."""
    layers = BACKBONES[backbone]
    weights = LearntWeights([TINY_LPIPS_WIDTH * layers.convolutions[number][0] for number in layers.taps])
    for tensor in weights.state_dict().values():
        tensor.uniform_(0.0, 1.0)
    return weights


def published(name: str, network: nn.Module) -> dict:
    """The state of a tiny network as its published file would hold it."""
    state, unused = network.state_dict(), UNUSED.get(name, {})
    if name == "farl":
        return {"state_dict": {**{f"visual.{key}": value for key, value in state.items()}, **unused}, "epoch": 64}
    return {**state, **unused}


def tiny_images(size: int = 64, count: int = 2) -> Tensor:
    """Smooth colours (B, 3, size, size) in [-1, 1]."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, 3, 8, 8, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")


def template_landmarks(size: float, count: int = 2) -> Tensor:
    """Landmarks whose eyes, nose tip and mouth corners lie where ArcFace's template has them in a square of `size`."""
    places = resize_points(torch.tensor(TEMPLATE), (112, 112), (size, size))
    generator = torch.Generator().manual_seed(2)
    landmarks = size * (0.2 + 0.6 * torch.rand(68, 2, generator=generator))
    landmarks[list(RIGHT_EYE)], landmarks[list(LEFT_EYE)] = places[0], places[1]
    landmarks[[30, 48, 54]] = places[2:]
    return landmarks.expand(count, 68, 2).clone()
