"""What a user changes of the square that a face is cut out by: its size, place and turn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...checks import check_in_range

MIN_SCALE, MAX_SCALE = 0.5, 2.5
MAX_SHIFT = 1.0
MAX_TURN_DEG = 180.0


@dataclass(frozen=True)
class CropChange:
    """A change of the square around a face, seen in the crop as it was.

    Attributes:
        scale: factor on the square's side, 0.5 to 2.5: above 1 shows more around the face.
        right, up: how far the square moves, shares of its side as it was, -1 to 1.
        rotate: degrees that the square is turned clockwise, -180 to 180: the face leans the other way then.

    Raises:
        ValueError: if a value is out of range.
    """

    scale: float = 1.0
    right: float = 0.0
    up: float = 0.0
    rotate: float = 0.0

    def __post_init__(self) -> None:
        check_in_range("scale", self.scale, MIN_SCALE, MAX_SCALE)
        check_in_range("right", self.right, -MAX_SHIFT, MAX_SHIFT)
        check_in_range("up", self.up, -MAX_SHIFT, MAX_SHIFT)
        check_in_range("rotate", self.rotate, -MAX_TURN_DEG, MAX_TURN_DEG)

    def matrix(self, size: int) -> Tensor:
        """(1, 2, 3) px of the crop as it was -> px of the changed one, both with `size` pixels a side."""
        cos, sin = math.cos(math.radians(self.rotate)), math.sin(math.radians(self.rotate))
        linear = torch.tensor([[cos, sin], [-sin, cos]]) / self.scale
        middle = torch.full((2,), (size - 1) / 2)
        shift = middle - linear @ (middle + size * torch.tensor([self.right, -self.up]))
        return torch.cat([linear, shift[:, None]], dim=1)[None]


UNCHANGED = CropChange()
