"""Feature maps of VGG19 (Simonyan and Zisserman 2014) for the perceptual loss, under torchvision's names."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from .standardising import IMAGENET_MEAN, IMAGENET_STD, standardise

# Convolutions of each size of image, and channels as multiples of the first width.
CONVOLUTIONS = (2, 2, 4, 4, 4)
MULTIPLES = (1, 2, 4, 8, 8)
OFFICIAL_WIDTH = 64
# What the published file holds and the taps do not need. Those are the first activation of each size, relu1_1 to
# relu5_1: the paper names no layers, and these are the most common choice.
UNUSED_PREFIXES = ("features.30.", "features.32.", "features.34.", "classifier.")


class VGG19Features(nn.Module):
    """VGG19 as far as its last tap.

    Args:
        width: channels of the first convolution; the published network has 64.
    """

    def __init__(self, width: int = OFFICIAL_WIDTH):
        super().__init__()
        self.features = nn.ModuleDict()  # by the layers' numbers in the published file
        self.tap_numbers = []
        number, channels = 0, 3
        for size, (count, multiple) in enumerate(zip(CONVOLUTIONS, MULTIPLES, strict=True)):
            self.tap_numbers.append(str(number))
            for _ in range(count if size < len(CONVOLUTIONS) - 1 else 1):
                self.features[str(number)] = nn.Conv2d(channels, width * multiple, 3, padding=1)
                number, channels = number + 2, width * multiple  # each convolution is followed by its activation
            number += 1  # the pooling

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> VGG19Features:
        """The network of a file's tensors."""
        network = cls(len(state["features.0.weight"]))
        network.load_state_dict({k: v for k, v in state.items() if not k.startswith(UNUSED_PREFIXES)})
        return network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) in [-1, 1] -> five maps (B, C_l, H / 2^l, W / 2^l), l = 0 to 4, at least 0."""
        hidden, taps = standardise(images, IMAGENET_MEAN, IMAGENET_STD), []
        for number, convolution in self.features.items():
            if number in self.tap_numbers[1:]:
                hidden = F.max_pool2d(hidden, 2)
            hidden = F.relu(convolution(hidden))
            if number in self.tap_numbers:
                taps.append(hidden)
        return tuple(taps)
