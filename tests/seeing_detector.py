"""Weights of a face detector that sees one face in the middle of every 256 px image, unless that is dark there.

Weights by the rule of `official_rule` find no face anywhere, and those that find faces may not be passed on. Here one
channel carries the image's brightness to the coarsest map, whose score head wants it bright and the cells to the left
and above dark: only the first cell that lies inside the image is so. Its box head shifts that cell's box to the
middle. All other maps say "background".
"""

import math

import torch
from torch import Tensor, nn

from diffusionact.face.readers.emoca.face_detector import (
    CENTRE_VARIANCE,
    PRIOR_PER_STRIDE,
    SIZE_VARIANCE,
    STRIDES,
    FaceDetector,
)

CENTRE_PX = 128.0
BOX_SIDE_PX = 150.0
DARKEST_LEVEL = 50.0
PER_LEVEL = 0.1
CERTAINTY = PER_LEVEL * DARKEST_LEVEL


def seeing_weights(detector: FaceDetector) -> dict[str, Tensor]:
    """All weights, under our names."""
    for module in detector.modules():
        if isinstance(module, nn.Conv2d):
            _silence(module)
    for stage in detector.trunk:
        for convolution in stage:
            middle = convolution.kernel_size[0] // 2
            convolution.weight.data[0, 0, middle, middle] = 1.0
    for head in detector.score_heads:
        head.bias.data[-1] = -CERTAINTY
    face = detector.score_heads[-1].weight.data[1, 0]
    face[1, 1] = PER_LEVEL
    face[1, 0] = face[0, 1] = -2 * PER_LEVEL
    # The padding of the fifth pooled map is two cells wide: cell 1 of the coarsest map is the first inside the image.
    centre, side = 1.5 * STRIDES[-1], PRIOR_PER_STRIDE * STRIDES[-1]
    shift = (CENTRE_PX - centre) / (CENTRE_VARIANCE * side)
    growth = math.log(BOX_SIDE_PX / side) / SIZE_VARIANCE
    detector.box_heads[-1].bias.data = torch.tensor([shift, shift, growth, growth])
    return detector.state_dict()


def _silence(convolution: nn.Conv2d) -> None:
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)
