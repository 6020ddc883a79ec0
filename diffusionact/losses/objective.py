"""The whole objective: L = L_rec + L_pose (Eq. 4) and a term of ours, with the weights of the paper's section 4.1."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

from torch import Tensor

from .background import background_loss
from .detail import detail_loss
from .face_features import FaceFeatures
from .gaze import gaze_loss
from .head_pose import head_pose_loss
from .identity import identity_loss
from .perceptual import perceptual_loss
from .pixel import pixel_loss
from .shape import shape_loss
from .style import style_loss

RECONSTRUCTION_TERMS = ("pixel", "perceptual", "identity", "background", "style")
POSE_TERMS = ("gaze", "shape", "head_pose")
OWN_TERMS = ("detail",)  # not of the paper
# Terms that compare one feature: term -> attribute of FaceFeatures and the loss.
FEATURE_TERMS: dict[str, tuple[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "perceptual": ("perceptual", perceptual_loss),
    "identity": ("identity", identity_loss),
    "style": ("style", style_loss),
    "gaze": ("gaze", gaze_loss),
    "shape": ("landmarks", shape_loss),
    "head_pose": ("head_pose", head_pose_loss),
}


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term, the lambdas of Eq. 5 and 6, with the paper's defaults; a term of weight 0 is not computed.

    Raises:
        ValueError: if a weight is negative or not finite.
    """

    pixel: float = 20.0
    perceptual: float = 20.0
    identity: float = 20.0
    background: float = 10.0
    style: float = 20.0
    gaze: float = 2.0
    shape: float = 0.5
    head_pose: float = 2.0
    detail: float = 0.0

    def __post_init__(self):
        for field in fields(self):
            weight = getattr(self, field.name)
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(
                    f"Expected a finite weight of at least 0 for the {field.name} loss, received {weight!r}; "
                    f"use 0 to leave the term out."
                )


@dataclass(frozen=True)
class ObjectiveValue:
    """Value of the objective for a batch; all tensors are scalars.

    Attributes:
        total: L and the weighted terms of ours, to be minimised.
        reconstruction: L_rec, weighted.
        pose: L_pose, weighted.
        terms: each computed term before its weight, by the names of `LossWeights`, for logging.
    """

    total: Tensor
    reconstruction: Tensor
    pose: Tensor
    terms: dict[str, Tensor]


def reenactment_objective(
    reenacted: Tensor,
    target: Tensor,
    reenacted_features: FaceFeatures,
    target_features: FaceFeatures,
    weights: LossWeights,
    detail_mask: Tensor | None = None,
) -> ObjectiveValue:
    """Sum up the terms.

    L_rec = l_pix L_pix + l_per L_per + l_id L_id + l_bg L_bg + l_st L_st (Eq. 5),
    L_pose = l_g L_g + l_sh L_sh + l_hp L_hp (Eq. 6), L = L_rec + L_pose (Eq. 4); `detail_loss` is added to it.

    Args:
        reenacted: (B, 3, H, W) in [-1, 1].
        target: the same shape and range.
        reenacted_features: of the reenacted images, with their gradient.
        target_features: of the target images.
        weights: of the terms.
        detail_mask: (B, 1, H, W) in [0, 1], 1 on eyes and mouth of the target; only the detail term needs it.

    Raises:
        ValueError: if a term with a weight lacks its features or its mask, or two shapes differ.
    """
    terms = {}
    for name in RECONSTRUCTION_TERMS + POSE_TERMS:
        if getattr(weights, name) > 0:
            terms[name] = _term(name, reenacted, target, reenacted_features, target_features)
    if weights.detail > 0:
        terms["detail"] = detail_loss(reenacted, target, _checked_mask(detail_mask))
    reconstruction = _weighted_sum(terms, RECONSTRUCTION_TERMS, weights, reenacted)
    pose = _weighted_sum(terms, POSE_TERMS, weights, reenacted)
    own = _weighted_sum(terms, OWN_TERMS, weights, reenacted)
    return ObjectiveValue(reconstruction + pose + own, reconstruction, pose, terms)


def _term(
    name: str, reenacted: Tensor, target: Tensor, reenacted_features: FaceFeatures, target_features: FaceFeatures
) -> Tensor:
    if name == "pixel":
        return pixel_loss(reenacted, target)
    if name == "background":
        masks = [_feature(name, "background", features) for features in (reenacted_features, target_features)]
        return background_loss(reenacted, target, *masks)
    attribute, loss = FEATURE_TERMS[name]
    return loss(_feature(name, attribute, reenacted_features), _feature(name, attribute, target_features))


def _feature(term: str, attribute: str, features: FaceFeatures) -> Tensor:
    value = getattr(features, attribute)
    if value is None:
        raise ValueError(
            f"Expected the {attribute} features for the {term} loss, received none; give the network that makes them, "
            f"or set the weight of the {term} loss to 0."
        )
    return value


def _checked_mask(mask: Tensor | None) -> Tensor:
    if mask is None:
        raise ValueError(
            "Expected a detail_mask for the detail loss, received none; give the mask of eyes and mouth, or set the "
            "weight of the detail loss to 0."
        )
    return mask


def _weighted_sum(terms: dict[str, Tensor], names: tuple[str, ...], weights: LossWeights, like: Tensor) -> Tensor:
    return sum((getattr(weights, name) * terms[name] for name in names if name in terms), start=like.new_zeros(()))
