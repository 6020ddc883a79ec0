"""How a face's broad brightness changes when it turns under its light: a small network over the points of a mesh."""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

# Per point of the source: brightness, its miss by the harmonics, harmonics, trust, normal.
POINT_VALUES = 7
# Beyond this the light is not changed, logarithm.
MAX_LOG_RATIO = 0.6


class LightField(ModelMixin, ConfigMixin):
    """A learned shading S(light, point, normal); the change of light is a difference of two shadings.

    So nothing changes in the source's own pose, and what changes is smooth over face and time as normals are. The
    light is a code of the source, made once; harmonics are where the shading starts from.

    Args:
        num_points: of the mesh.
        code_size: numbers of the light's code.
        width: of the hidden layers.
        place_size: numbers that a point's place is learned as.
    """

    @register_to_config
    def __init__(self, num_points: int = 468, code_size: int = 32, width: int = 64, place_size: int = 12):
        super().__init__()
        self.places = nn.Parameter(0.3 * torch.randn(num_points, place_size))
        self.look = _layers(POINT_VALUES + place_size, width, width)
        self.light = _layers(2 * width, width, code_size)
        self.enter = nn.Linear(code_size + place_size + POINT_VALUES, width)
        self.normal = nn.Linear(9, width)
        self.shade = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.leave = nn.Linear(width, 1)
        nn.init.zeros_(self.leave.weight)
        self.share = nn.Linear(code_size, 1)
        nn.init.zeros_(self.share.weight)
        nn.init.constant_(self.share.bias, 0.9)

    def forward(
        self,
        brightness: Tensor,
        trust: Tensor,
        normals: Tensor,
        harmonics: Tensor,
        turned: Tensor,
        shaded: Tensor,
        chosen: Tensor | None = None,
    ) -> Tensor:
        """The logarithm of the light now over that of the source (B, T, N); values of B sources in T poses.

        Args:
            brightness: (B, N) logarithm of the source's broad brightness.
            trust: (B, N) how well the source saw each point, in [0, 1].
            normals: (B, N, 3) in the source; x right, y up, z towards the camera.
            harmonics: (B, N) logarithm of the shading that the fitted harmonics give the source.
            turned: (B, T, N, 3) normals in each pose.
            shaded: (B, T, N) the harmonics' shading of those.
            chosen: (N,) int64, which of the mesh's points these are; None for all.
        """
        points = _point_values(brightness, trust, normals, harmonics)
        places = self.places if chosen is None else self.places[chosen]
        places = places.expand(len(points), -1, -1)
        seen = self.look(torch.cat([points, places], dim=-1))
        share = trust / trust.sum(1, keepdim=True).clamp(min=1e-3)
        mean = (share[..., None] * seen).sum(1)
        spread = (share[..., None] * (seen - mean[:, None]).square()).sum(1).add(1e-4).sqrt()
        code = self.light(torch.cat([mean, spread], dim=-1))
        fixed = self.enter(torch.cat([code[:, None].expand(-1, points.shape[1], -1), places, points], dim=-1))
        before = self._shading(fixed, normals)
        after = self._shading(fixed[:, None], turned)
        change = self.share(code)[:, None] * (shaded - harmonics[:, None]) + after - before[:, None]
        return MAX_LOG_RATIO * torch.tanh(change / MAX_LOG_RATIO)

    def _shading(self, fixed: Tensor, normals: Tensor) -> Tensor:
        x, y, z = normals.unbind(-1)
        terms = torch.stack([x, y, z, x * y, y * z, z * z, x * z, x * x, y * y], dim=-1)
        return self.leave(self.shade(fixed + self.normal(terms)))[..., 0]


def _point_values(brightness: Tensor, trust: Tensor, normals: Tensor, harmonics: Tensor) -> Tensor:
    """(B, N, 7), brightness and shading around their means over the face."""
    share = trust / trust.sum(1, keepdim=True).clamp(min=1e-3)
    level = (share * brightness).sum(1, keepdim=True)
    shading = harmonics - (share * harmonics).sum(1, keepdim=True)
    own = brightness - level
    parts = torch.stack([own, own - shading, shading, trust], dim=-1)
    return torch.cat([2 * parts[..., :3], parts[..., 3:], normals], dim=-1)


def _layers(inputs: int, width: int, outputs: int) -> nn.Sequential:
    first, second, last = nn.Linear(inputs, width), nn.Linear(width, width), nn.Linear(width, outputs)
    return nn.Sequential(first, nn.SiLU(), second, nn.SiLU(), last)
