"""What the networks behind the losses say about images, and the protocol of whatever asks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class FaceFeatures:
    """Features of B images; None where there is no network for them, whose terms then need a weight of 0.

    Which network the paper takes stands in brackets; others of the same meaning may stand in for it.

    Attributes:
        perceptual: (B, C, H, W) feature maps of several layers, any range (VGG19).
        identity: (B, D) embedding, any length (ArcFace).
        background: (B, 1, H, W) mask in [0, 1] of the images' size, 1 on background and hair (BiSeNet).
        style: (B, D) feature vector, any range (FaRL's image encoder, D = 512).
        gaze: (B, 2) pitch, yaw in radians (ETH-XGaze).
        landmarks: (B, 68, 2) px of a face crop of 224 px (EMOCA).
        head_pose: (B, 3) yaw, pitch, roll in degrees (EMOCA).
    """

    perceptual: tuple[Tensor, ...] | None = None
    identity: Tensor | None = None
    background: Tensor | None = None
    style: Tensor | None = None
    gaze: Tensor | None = None
    landmarks: Tensor | None = None
    head_pose: Tensor | None = None


class FacePerception(Protocol):
    """Networks that look at images, differentiable in them; a torch module with frozen weights, as a rule."""

    def __call__(self, images: Tensor, landmarks: Tensor) -> FaceFeatures:
        """Features of images.

        Args:
            images: (B, 3, H, W) float in [-1, 1], RGB, aligned.
            landmarks: (B, 68, 2) px of the images, iBUG-68: where to crop the face. Reenacted images take those of
                their target, so that both are cropped alike and no gradient flows through the crop.
        """
        ...
