"""The learned light in the warp: it takes the place of the harmonics' change of light on the face."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusionact.warping import WarpRenderer, WarpSource
from diffusionact.warping.confidence import face_normals
from diffusionact.warping.light import (
    BARE_FADE,
    GAMMA,
    LUMINANCE,
    MAX_RATIO,
    MIN_FACING,
    MIN_RATIO,
    Relighting,
    shading,
    smoothed,
)
from diffusionact.warping.renderer import RELIGHT
from diffusionact.warping.sampling import sample
from diffusionact.warping.surroundings import spokes
from diffusionact.warping.topology import NUM_FACE, OVAL, RINGS

from .network import LightField


def smooth_normals(plane: Tensor) -> Tensor:
    """(468, 3) unit normals of vertices (N, 3) on the plane, without small folds."""
    return F.normalize(smoothed(face_normals(plane)), dim=1)


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


class LearnedRelighting(Relighting):
    """A network's change of light on one source's face; around it that of the oval beside it, fading into harmonics.

    Args:
        network: on the source's device.
        source: made ready.
    """

    def __init__(self, network: LightField, source: WarpSource):
        plane = source.placement.place(source.shape[None, :NUM_FACE])[0]
        super().__init__(source, plane, RELIGHT)
        self._network, self._harmonics = network, source.broad_light
        colour = sample(source.skin_light, source.positions[:NUM_FACE]).T
        values = light_values(colour, source.seen[:NUM_FACE], source.broad_light, smooth_normals(plane))
        self._values = {name: value[None] for name, value in values.items()}
        self._follow = torch.cat([torch.ones_like(plane[:, 0]), source.ring_follow**BARE_FADE])

    def ratio(self, normals: Tensor) -> Tensor:
        """See `Relighting`."""
        turned = F.normalize(smoothed(normals[:NUM_FACE]), dim=1)
        shaded = log_shading(self._harmonics, turned)
        learned = self._network(**self._values, turned=turned[None, None], shaded=shaded[None, None])[0, 0]
        log = super().ratio(normals).log()
        beyond = learned - log[:NUM_FACE]
        around = spokes(beyond[list(OVAL), None])[:, 0].repeat(RINGS)
        log = log + self._follow * torch.cat([beyond, around])
        return log.clamp(math.log(MIN_RATIO), math.log(MAX_RATIO)).exp()


def relit_renderer(network: LightField, source: WarpSource, size: int) -> WarpRenderer:
    """A renderer whose light follows the network."""
    renderer = WarpRenderer(source, size)
    renderer.light = LearnedRelighting(network, source)
    return renderer
