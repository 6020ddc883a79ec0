"""LPIPS (Zhang et al. 2018, version 0.1) of files: AlexNet or VGG16 under torchvision's names, and learnt weights.

Held against the package lpips in tests/perception/test_perception_lpips.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from .standardising import IMAGENET_MEAN, IMAGENET_STD, standardise

OFFICIAL_WIDTH = 64
NUM_LAYERS = 5
# Added to the length of a feature vector before dividing by it.
EPSILON = 1e-10


@dataclass(frozen=True)
class Backbone:
    """Layers of a network up to its last tap.

    Attributes:
        convolutions: number in the published file -> channels in first widths, kernel, stride, padding.
        poolings: number of the convolution before which the map is pooled.
        taps: numbers of the convolutions whose activations count.
        pool_kernel: side of the pooling's window; its stride is 2.
    """

    convolutions: Mapping[int, tuple[int, int, int, int]]
    poolings: tuple[int, ...]
    taps: tuple[int, ...]
    pool_kernel: int


BACKBONES: dict[str, Backbone] = {
    "alex": Backbone(
        {0: (1, 11, 4, 2), 3: (3, 5, 1, 2), 6: (6, 3, 1, 1), 8: (4, 3, 1, 1), 10: (4, 3, 1, 1)},
        poolings=(3, 6),
        taps=(0, 3, 6, 8, 10),
        pool_kernel=3,
    ),
    "vgg": Backbone(
        {
            number: (multiple, 3, 1, 1)
            for numbers, multiple in (((0, 2), 1), ((5, 7), 2), ((10, 12, 14), 4), ((17, 19, 21, 24, 26, 28), 8))
            for number in numbers
        },
        poolings=(5, 10, 17, 24),
        taps=(2, 7, 14, 21, 28),
        pool_kernel=2,
    ),
}


class ActivationMaps(nn.Module):
    """AlexNet or VGG16 as far as its last tap.

    Args:
        backbone: "alex" or "vgg".
        width: channels of the first convolution; the published networks have 64.
    """

    def __init__(self, backbone: str, width: int = OFFICIAL_WIDTH):
        super().__init__()
        self.backbone = BACKBONES[backbone]
        self.features = nn.ModuleDict()  # by the layers' numbers in the published file
        channels = 3
        for number, (multiple, kernel, stride, padding) in self.backbone.convolutions.items():
            self.features[str(number)] = nn.Conv2d(channels, width * multiple, kernel, stride, padding)
            channels = width * multiple

    @classmethod
    def from_state(cls, backbone: str, state: Mapping[str, Tensor]) -> ActivationMaps:
        """The network of a file's tensors, those of other layers left out."""
        network = cls(backbone, len(state["features.0.weight"]))
        network.load_state_dict({name: value for name, value in state.items() if name in network.state_dict()})
        return network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) in [-1, 1] -> five maps (B, C_l, H_l, W_l), at least 0."""
        hidden, maps = standardise(images, IMAGENET_MEAN, IMAGENET_STD), []
        for name, convolution in self.features.items():
            if int(name) in self.backbone.poolings:
                hidden = F.max_pool2d(hidden, self.backbone.pool_kernel, 2)
            hidden = F.relu(convolution(hidden))
            if int(name) in self.backbone.taps:
                maps.append(hidden)
        return tuple(maps)


class LayerWeights(nn.Module):
    """What each channel of one layer counts."""

    def __init__(self, channels: int):
        super().__init__()
        # The dropout is without effect here; it holds a place in the published sequence.
        self.model = nn.Sequential(nn.Dropout(), nn.Conv2d(channels, 1, 1, bias=False))

    def forward(self, features: Tensor) -> Tensor:
        """Unit vectors (B, C, H, W) -> the same, scaled so that the mean over C is the weighted sum over C."""
        # Below zero LPIPS would be no distance; the published weights are at least 0.
        weights = self.model[1].weight.clamp(min=0)
        return features * (weights * weights.shape[1]).sqrt()


class LearntWeights(nn.Module):
    """The learnt part of LPIPS.

    Args:
        channels: of each layer.
    """

    def __init__(self, channels: Sequence[int]):
        super().__init__()
        for layer, count in enumerate(channels):
            setattr(self, f"lin{layer}", LayerWeights(count))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> LearntWeights:
        """The weights of a file's tensors."""
        network = cls([state[f"lin{layer}.model.1.weight"].shape[1] for layer in range(NUM_LAYERS)])
        network.load_state_dict(dict(state))
        return network

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Unit vectors of each layer (B, C_l, H_l, W_l), weighted; see `LayerWeights`."""
        return tuple(self.get_submodule(f"lin{layer}")(features) for layer, features in enumerate(maps))


class LpipsFeatures(nn.Module):
    """Feature maps whose mean squared differences, summed over the layers, are LPIPS: also for the perceptual loss.

    Args:
        maps: of the backbone.
        learnt: weights of its channels.

    Raises:
        ValueError: if the weights are of another backbone.
    """

    def __init__(self, maps: ActivationMaps, learnt: LearntWeights):
        super().__init__()
        expected = [maps.features[str(number)].out_channels for number in maps.backbone.taps]
        received = [layer.model[1].in_channels for layer in learnt.children()]
        if expected != received:
            raise ValueError(
                f"Expected LPIPS's weights for layers of {expected} channels, received {received}: those of another "
                "backbone. Take alex.pth with AlexNet and vgg.pth with VGG16."
            )
        self.maps, self.learnt = maps, learnt

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) in [-1, 1] -> five maps (B, C_l, H_l, W_l)."""
        return self.learnt([_unit_vectors(features) for features in self.maps(images)])


class Lpips(nn.Module):
    """LPIPS itself, as the package's network: the `network` of `metrics.lpips`."""

    def __init__(self, features: LpipsFeatures):
        super().__init__()
        self.features = features

    def forward(self, images: Tensor, truth: Tensor) -> Tensor:
        """Distances (B,) of images and truth, both (B, 3, H, W) in [-1, 1]; at least 0."""
        pairs = zip(self.features(images), self.features(truth), strict=True)
        return sum((first - second).square().mean(dim=(1, 2, 3)) for first, second in pairs)


def _unit_vectors(features: Tensor) -> Tensor:
    # A small number under the root too: at a vector of zeros the gradient would not be finite.
    length = (features.square().sum(dim=1, keepdim=True) + EPSILON**2).sqrt()
    return features / (length + EPSILON)
