"""A linear reader of semantic codes: what of landmarks, pose, gaze and expression a code holds."""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn


class CodeRegressor(ModelMixin, ConfigMixin):
    """A linear map from semantic codes to standardised facts about their images.

    Trained with the encoder it makes landmarks, head pose, gaze and expression linearly readable from the code.

    Args:
        semantic_dim: length of the code.
        num_targets: how many facts.
    """

    @register_to_config
    def __init__(self, semantic_dim: int, num_targets: int):
        super().__init__()
        self.linear = nn.Linear(semantic_dim, num_targets)
        self.register_buffer("mean", torch.zeros(num_targets))
        self.register_buffer("deviation", torch.ones(num_targets))

    @torch.no_grad()
    def fit_scale(self, targets: Tensor, floor: float = 1e-3) -> None:
        """Standardise by the mean and deviation of targets (N, K); `floor` is added to the deviation."""
        self.mean.copy_(targets.mean(dim=0))
        self.deviation.copy_(targets.std(dim=0) + floor)

    def standardise(self, targets: Tensor) -> Tensor:
        """(B, K) in their own units -> (B, K) of zero mean and unit deviation."""
        return (targets - self.mean) / self.deviation

    def forward(self, semantic_code: Tensor) -> Tensor:
        """(B, semantic_dim) -> standardised predictions (B, K)."""
        return self.linear(semantic_code)
