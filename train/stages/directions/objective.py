"""The objective of the matrix A: the reenacted face should be the wanted one, and the same person."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusionact.generation.directions import DirectionsEngine
from diffusionact.generation.face_parameters import parameters_of
from diffusionact.images import resize
from diffusionact.losses import eye_loss, identity_loss, mouth_loss, pixel_loss, shape_loss
from diffusionact.models import Directions

from .face_measure import MEASURED_SIZE, FacePoints, Measure, rows_of
from .single_changes import wanted_change

# Rows and columns of a 256 px image that the identity is read from, and the side that they are averaged to.
IDENTITY_ROWS, IDENTITY_COLUMNS, IDENTITY_SIZE = slice(35, 223), slice(32, 220), 112

FOUND = "found"  # share of the batch whose faces were found in all three images


@dataclass(frozen=True)
class DirectionsWeights:
    """Weight of each term; one of weight 0 is not computed, and its network not asked for.

    The official ones, but for two of the phase `paired`, which are computed on levels of 0 to 255 there: the pixel's is
    the same in effect, while LPIPS here always sees [-1, 1], as it was trained.

    Raises:
        ValueError: if a weight is negative or not finite.
    """

    shape: float = 1.0
    eye: float = 1.0
    mouth: float = 1.0
    identity: float = 10.0
    perceptual: float = 10.0
    pixel: float = 127.5

    def __post_init__(self) -> None:
        for field in fields(self):
            weight = getattr(self, field.name)
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(
                    f"Expected a finite weight of at least 0 for the {field.name} loss, received {weight!r}; use 0 to "
                    "leave the term out."
                )


@dataclass(frozen=True)
class DirectionsNetworks:
    """What the objective works with beside A; no module, so that checkpoints hold only what is trained.

    Attributes:
        engine: generator and truncation.
        measure: reads faces.
        identity: images (B, 3, S, S) in [-1, 1] -> embeddings (B, D); None where its weight is 0.
        perceptual: two batches of images in [-1, 1] -> distances (B,) or their mean; None where its weight is 0.
    """

    engine: DirectionsEngine
    measure: Measure
    identity: Callable[[Tensor], Tensor] | None
    perceptual: Callable[[Tensor, Tensor], Tensor] | None


class DirectionsObjective(nn.Module):
    """Reenact, measure, compare.

    Args:
        directions: trained.
        networks: the others.
        weights: of the terms.
        is_paired: source and target are one person, and the target image is the truth.
    """

    def __init__(
        self, directions: Directions, networks: DirectionsNetworks, weights: DirectionsWeights, is_paired: bool
    ):
        super().__init__()
        self.directions, self.networks, self.weights, self.is_paired = directions, networks, weights, is_paired

    def forward(
        self, source: Tensor, w_plus: Tensor, target: Tensor, single: Tensor, share: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch; faces that are not found in any of the three images are left out.

        Args:
            source: (B, 3, S, S) in [-1, 1].
            w_plus: (B, R, D) its latent codes, before truncation.
            target: (B, 3, S, S) in [-1, 1].
            single, share: see `single_changes.wanted_change`.
        """
        reenacted, terms = self.reenact(source, w_plus, target, single, share)
        if len(terms) == 1:  # no face, nothing to learn from; the graph still reaches A
            return 0.0 * reenacted.sum(), terms
        total = sum(getattr(self.weights, name) * terms[name] for name in terms if name != FOUND)
        return total, terms

    def reenact(
        self, source: Tensor, w_plus: Tensor, target: Tensor, single: Tensor, share: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Reenacted images (B, 3, S, S) and the terms before their weights; arguments as of `forward`."""
        measure, engine = self.networks.measure, self.networks.engine
        with torch.no_grad():
            (source_points, has_source), (target_points, has_target) = measure.find(source), measure.find(target)
            own, other = measure.coefficients(source, source_points), measure.coefficients(target, target_points)
            table = engine.components.of_named_values
            change = wanted_change(parameters_of(own, table), parameters_of(other, table), single, share)
            wanted = measure.wanted(own, other, single, change, self.is_paired)
        reenacted = engine.generator(engine.truncate(self.directions.shift(w_plus, change)))
        points, has_result = measure.find(reenacted.detach().clamp(-1.0, 1.0))
        rows = has_source & has_target & has_result
        terms = {FOUND: rows.float().mean()}
        if rows.any():
            seen = measure.coefficients(reenacted[rows], points[rows])
            truth = target if self.is_paired else source
            faces = measure.points(seen), measure.points(rows_of(wanted, rows))
            terms |= self._terms(*faces, reenacted[rows], truth[rows])
        return reenacted, terms

    def _terms(self, seen: FacePoints, wanted: FacePoints, reenacted: Tensor, truth: Tensor) -> dict[str, Tensor]:
        weights, identity = self.weights, self.networks.identity
        terms = {
            "shape": shape_loss(seen.vertices, wanted.vertices),
            "eye": eye_loss(seen.landmarks, wanted.landmarks),
            "mouth": mouth_loss(seen.landmarks, wanted.landmarks),
        }
        if identity is not None:
            terms["identity"] = identity_loss(*(identity(image) for image in (reenacted, truth)))
        if self.networks.perceptual is not None:
            terms["perceptual"] = self.networks.perceptual(reenacted, truth).mean()
        if self.is_paired and weights.pixel > 0:
            terms["pixel"] = pixel_loss(reenacted, truth)
        return terms


def identity_crops(images: Tensor) -> Tensor:
    """ArcFace's crops (B, 3, 112, 112) of images (B, 3, S, S): a fixed part of the image, as in the official code."""
    large = resize(images, MEASURED_SIZE)
    return F.adaptive_avg_pool2d(large[:, :, IDENTITY_ROWS, IDENTITY_COLUMNS], IDENTITY_SIZE)
