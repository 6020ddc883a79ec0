"""A tiny network of the open perception backend with random weights, and a face to cut out."""

import torch
from torch import Tensor

from diffusionact.perception.portrait_net import PortraitNet

TINY_PORTRAIT_NET = {
    "sample_size": 32,
    "widths": (4, 4, 8, 8, 8),
    "blocks": (0, 1, 0, 0, 0),
    "fused_width": 8,
    "face_width": 4,
    "eye_width": 4,
    "mouth_width": 4,
    "hidden": 8,
    "identity_dim": 8,
}


def tiny_portrait_net() -> PortraitNet:
    """Random weights, evaluation mode; heat maps with a peak, so that landmarks depend on the image."""
    torch.manual_seed(0)
    network = PortraitNet(**TINY_PORTRAIT_NET)
    network.heat.weight.data *= 5
    return network.eval()


def made_up_face(size: int) -> Tensor:
    """(1, 68, 2) px: two eyes in the upper half of a contour, spread over the middle of an image."""
    generator = torch.Generator().manual_seed(3)
    points = torch.rand(1, 68, 2, generator=generator) * 0.5 + 0.25
    points[:, 36:42] = torch.tensor([0.37, 0.4]) + 0.04 * torch.rand(1, 6, 2, generator=generator)
    points[:, 42:48] = torch.tensor([0.59, 0.4]) + 0.04 * torch.rand(1, 6, 2, generator=generator)
    return points * size
