"""The harmonics' light with the renderer's own self-shadow at every point: what knowing the true transport gives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusionact.warping.light import GAMMA, LUMINANCE, MIN_SHADING, fit_terms, spherical_harmonics
from diffusionact.warping.topology import load_topology
from portraits.head import Head

from .pairs import LightPairs
from .relighting import smooth_normals
from .shaded import ShadedFace, bare_skin

DIRECTIONS = 400


class SelfShadowedLight:
    """A point's brightness is its light transfer, turned with the head, times the light.

    Args:
        head: of the portraits.
    """

    def __init__(self, head: Head):
        self._transfer = torch.from_numpy(ShadedFace(head).transfer).float() / torch.pi
        self._canonical = smooth_normals(load_topology().canonical)
        generator = torch.Generator().manual_seed(0)
        self._directions = F.normalize(torch.randn(DIRECTIONS, 3, generator=generator), dim=1)
        self._bare = bare_skin()

    def ratio(self, pairs: LightPairs) -> Tensor:
        """(T, 468) logarithm of the light now over that of the source."""
        grey = pairs.colour.clamp(0, 1) ** GAMMA @ torch.tensor(LUMINANCE)
        light = fit_terms(grey, self._terms(pairs.normals, pairs.seen), pairs.seen * self._bare)
        before = self._logarithm(pairs.normals, pairs.seen, light)
        return torch.stack([self._logarithm(normals, pairs.seen, light) - before for normals in pairs.turned])

    def _logarithm(self, normals: Tensor, weight: Tensor, light: Tensor) -> Tensor:
        floor = (MIN_SHADING * 0.282095 * light[0].abs()).clamp(min=1e-4)
        return torch.maximum(self._terms(normals, weight) @ light, floor).log() / GAMMA

    def _terms(self, normals: Tensor, weight: Tensor) -> Tensor:
        """(468, 9) what light of the camera's frame each point receives, of the head's rotation that normals tell."""
        left, _, right = torch.linalg.svd((weight[:, None] * normals).T @ self._canonical)
        turn = left @ torch.diag(torch.stack([left.new_ones(()), left.new_ones(()), torch.det(left @ right)])) @ right
        turned = spherical_harmonics(self._directions @ turn)  # of the same directions in the head's frame
        return self._transfer @ torch.linalg.lstsq(spherical_harmonics(self._directions), turned).solution.T
