"""The change of light on the face as a network has learned it, in place of that of the harmonics it starts from."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from .light import GAMMA, LUMINANCE, MIN_FACING, shading, smoothed
from .sampling import sample
from .surroundings import spokes
from .topology import NUM_FACE, OVAL, RINGS
from .values import WarpSource


class LightNetwork(Protocol):
    """What is asked of a network; see `models/light_field.py`."""

    def __call__(
        self, brightness: Tensor, trust: Tensor, normals: Tensor, harmonics: Tensor, turned: Tensor, shaded: Tensor
    ) -> Tensor:
        """The logarithm of the light now over that of the source (B, T, 468)."""


def log_shading(light: Tensor, normals: Tensor) -> Tensor:
    """(*S,) logarithm, encoded as the image is, of the shading of normals (*S, 3) under harmonics (9,)."""
    ahead = torch.cat([normals[..., :2], normals[..., 2:].clamp(min=MIN_FACING)], dim=-1)
    return shading(light, F.normalize(ahead, dim=-1)).log() / GAMMA


def light_values(colour: Tensor, seen: Tensor, light: Tensor, normals: Tensor) -> dict[str, Tensor]:
    """What the network is told of a source.

    Args:
        colour: (468, 3) broad colour of the skin, in [0, 1].
        seen: (468,) how well the source saw it.
        light: (9,) its harmonics.
        normals: (468, 3) its smoothed normals.
    """
    linear = colour.clamp(0, 1) ** GAMMA @ colour.new_tensor(LUMINANCE)
    return {
        "brightness": linear.clamp(min=1e-4).log() / GAMMA,
        "trust": seen,
        "normals": normals,
        "harmonics": log_shading(light, normals),
    }


class LearnedLight:
    """A network's change of light for one source.

    Args:
        network: on the source's device.
        source: made ready.
        normals: (468, 3) of its face, not smoothed.
    """

    def __init__(self, network: LightNetwork, source: WarpSource, normals: Tensor):
        self._network, self._source = network, source
        colour = sample(source.skin_light, source.positions[:NUM_FACE]).T
        values = light_values(colour, source.seen[:NUM_FACE], source.broad_light, smoothed(normals))
        self._values = {name: value[None] for name, value in values.items()}

    def beyond_harmonics(self, normals: Tensor, strength: float) -> Tensor:
        """(N,) logarithm by which vertices are brighter than the harmonics say, for normals (468, 3) of the face."""
        turned = smoothed(normals)
        shaded = log_shading(self._source.broad_light, turned)
        with torch.inference_mode():
            learned = self._network(**self._values, turned=turned[None, None], shaded=shaded[None, None])[0, 0]
        more = learned - strength * (shaded - self._values["harmonics"][0])
        around = spokes(more[list(OVAL), None])[:, 0].repeat(RINGS)
        return torch.cat([more, around])
