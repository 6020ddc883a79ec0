"""The matrix A of "Finding Directions": a change of face parameters -> a change of a latent code."""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

# Standard deviation of fresh weights, as in the official code.
INITIAL_STD = 0.03


class Directions(ModelMixin, ConfigMixin):
    """delta_w = A delta_p + b: one linear layer. The bias means that no change of the face is still one of the code.

    The default arguments are the authors' matrix (65,536 parameters).

    Args:
        num_directions: face parameters.
        num_rows: rows of the latent code that change, the first ones.
        style_dim: numbers of a row.
    """

    @register_to_config
    def __init__(self, num_directions: int = 15, num_rows: int = 8, style_dim: int = 512):
        super().__init__()
        self.linear = nn.Linear(num_directions, num_rows * style_dim)
        nn.init.normal_(self.linear.weight, std=INITIAL_STD)

    def forward(self, delta_p: Tensor) -> Tensor:
        """Changes of parameters (B, num_directions), normalised to about [-6, 6] -> (B, num_rows, style_dim)."""
        return self.linear(delta_p).unflatten(-1, (self.config.num_rows, self.config.style_dim))

    def shift(self, w_plus: Tensor, delta_p: Tensor) -> Tensor:
        """Latent codes (B, R, style_dim) with the change added to their first rows; one code serves B changes."""
        delta_w = self(delta_p)
        changed, kept = w_plus[:, : self.config.num_rows], w_plus[:, self.config.num_rows :]
        return torch.cat([changed + delta_w, kept.expand(len(delta_w), -1, -1)], dim=1)
