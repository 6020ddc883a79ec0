"""The encoders of EMOCA and DECA: a 224 px face crop to the coefficients of the FLAME head and its camera.

Of EMOCA one encoder reads shape, pose and camera; the other reads the expression and replaces the first one's, which is
DECA's. Held against the official networks in tests/face/readers/emoca/test_emoca_coefficient_encoders.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....types import FaceCoefficients
from .flame import FlameModel
from .residual_net import OFFICIAL_WIDTH, ResidualNet

# What the first encoder's numbers mean, in order. Texture and light are of no use here.
CODE_WIDTHS = {"shape": 100, "texture": 50, "expression": 50, "pose": 6, "camera": 3, "light": 27}
NUM_EXPRESSION = CODE_WIDTHS["expression"]
NUM_ROTATION = 3
# Numbers of the expression encoder: expression alone, with the jaw's rotation, with the head's and the jaw's.
EXPRESSION_WIDTHS = (NUM_EXPRESSION, NUM_EXPRESSION + NUM_ROTATION, NUM_EXPRESSION + 2 * NUM_ROTATION)


@dataclass(frozen=True)
class HeadCodes:
    """Everything the encoders say about a face, one row an image.

    Attributes:
        shape: (B, 100).
        texture: (B, 50), from the first encoder.
        expression: (B, 50).
        pose: (B, 6) axis-angle, radians: head, then jaw.
        camera: (B, 3) scale, t_x, t_y in the 224 px crop.
        light: (B, 9, 3).
    """

    shape: Tensor
    texture: Tensor
    expression: Tensor
    pose: Tensor
    camera: Tensor
    light: Tensor

    def coefficients(self) -> FaceCoefficients:
        """What the face model takes: the jaw's rotation stands behind the 50 expression values."""
        expression = torch.cat([self.expression, self.pose[:, NUM_ROTATION:]], dim=-1)
        return FaceCoefficients(self.shape, expression, self.pose[:, :NUM_ROTATION], self.camera, FlameModel.name)


class CoefficientEncoder(nn.Module):
    """Residual network and two linear layers.

    Args:
        num_out: number of coefficients.
        width: channels of the first convolution; the official networks have 64.
    """

    def __init__(self, num_out: int, width: int = OFFICIAL_WIDTH):
        super().__init__()
        self.trunk = ResidualNet(width)
        self.hidden = nn.Linear(self.trunk.num_features, self.trunk.num_features // 2)
        self.out = nn.Linear(self.trunk.num_features // 2, num_out)

    def forward(self, crops: Tensor) -> Tensor:
        """(B, 3, 224, 224) RGB in [0, 1), not normalised further -> (B, num_out)."""
        return self.out(F.relu(self.hidden(self.trunk(crops))))


class DecaEncoder(nn.Module):
    """DECA's encoder: EMOCA's first one alone, with its own expression.

    Args:
        width: channels of the first convolution; the official network has 64.
    """

    def __init__(self, width: int = OFFICIAL_WIDTH):
        super().__init__()
        self.encoder = CoefficientEncoder(sum(CODE_WIDTHS.values()), width)

    def forward(self, crops: Tensor) -> HeadCodes:
        """Codes of 224 px crops (B, 3, 224, 224), RGB in [0, 1); see `crops.crop_for_deca`."""
        code = self.encoder(crops)
        start = CODE_WIDTHS["shape"] + CODE_WIDTHS["texture"]
        return split_codes(code, code[:, start : start + NUM_EXPRESSION])


class CoefficientEncoders(nn.Module):
    """Both encoders.

    Args:
        num_expression: numbers of the expression encoder: 50, 53 or 56.
        width: channels of the first convolutions; the official networks have 64.

    Raises:
        ValueError: if the width of the expression encoder is none of these.
    """

    def __init__(self, num_expression: int = NUM_EXPRESSION, width: int = OFFICIAL_WIDTH):
        super().__init__()
        if num_expression not in EXPRESSION_WIDTHS:
            raise ValueError(
                f"Expected an expression encoder of {EXPRESSION_WIDTHS} numbers, received one of {num_expression}; use "
                f"the expression encoder of EMOCA."
            )
        self.shape_and_pose = CoefficientEncoder(sum(CODE_WIDTHS.values()), width)
        self.expression = CoefficientEncoder(num_expression, width)

    def forward(self, crops: Tensor) -> HeadCodes:
        """Codes of 224 px crops (B, 3, 224, 224), RGB in [0, 1); see `crops.crop_for_encoders`."""
        return split_codes(self.shape_and_pose(crops), self.expression(crops))


def split_codes(code: Tensor, expression: Tensor) -> HeadCodes:
    """Name the numbers of both encoders.

    The expression encoder replaces the first one's expression and, where it is wide enough, its rotations. Source:
    EMOCA's options `exp_deca_jaw_pose` and `exp_deca_global_pose`. The weights do not tell which rotation 53 numbers
    have: the jaw's is assumed, as in EMOCA's templates.

    Args:
        code: (B, 236) of the first encoder.
        expression: (B, 50), (B, 53) or (B, 56) of the expression encoder.
    """
    shape, texture, _, pose, camera, light = code.split(list(CODE_WIDTHS.values()), dim=-1)
    rotations = expression[:, NUM_EXPRESSION:]
    pose = torch.cat([pose[:, : pose.shape[1] - rotations.shape[1]], rotations], dim=-1)
    return HeadCodes(shape, texture, expression[:, :NUM_EXPRESSION], pose, camera, light.unflatten(-1, (9, 3)))
