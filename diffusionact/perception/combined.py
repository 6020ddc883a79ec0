"""One `FacePerception` out of single networks: which network fills which feature."""

from __future__ import annotations

from torch import Tensor, nn

from ..losses import FaceFeatures


class CombinedPerception(nn.Module):
    """Frozen networks side by side, always in evaluation mode; features without a network stay None.

    Args:
        perceptual: images -> tuple of feature maps.
        identity: images, landmarks -> (B, D).
        background: images -> (B, 1, H, W) in [0, 1], 1 on background and hair.
        style: images -> (B, D).
        gaze: images, landmarks -> (B, 2) pitch, yaw in radians.
        face: images, landmarks -> landmarks (B, 68, 2) px of a 224 px crop and head pose (B, 3) degrees.

    All take images (B, 3, H, W) in [-1, 1] and landmarks (B, 68, 2) px of them.
    """

    def __init__(
        self,
        perceptual: nn.Module | None = None,
        identity: nn.Module | None = None,
        background: nn.Module | None = None,
        style: nn.Module | None = None,
        gaze: nn.Module | None = None,
        face: nn.Module | None = None,
    ):
        super().__init__()
        self.perceptual, self.identity, self.background = perceptual, identity, background
        self.style, self.gaze, self.face = style, gaze, face
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> CombinedPerception:
        """Stay in evaluation mode: in training mode the statistics of batch norms would drift."""
        return super().train(False)

    def forward(self, images: Tensor, landmarks: Tensor) -> FaceFeatures:
        """Features of images; see `FacePerception`."""
        points, head_pose = self.face(images, landmarks) if self.face is not None else (None, None)
        return FaceFeatures(
            perceptual=self.perceptual(images) if self.perceptual is not None else None,
            identity=self.identity(images, landmarks) if self.identity is not None else None,
            background=self.background(images) if self.background is not None else None,
            style=self.style(images) if self.style is not None else None,
            gaze=self.gaze(images, landmarks) if self.gaze is not None else None,
            landmarks=points,
            head_pose=head_pose,
        )
