"""What the perception network is trained for: each head against the truth, identities against one another."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusionact.perception.portrait_net import NUM_EXPRESSIONS, PortraitNet, PortraitReading

from .batches import PortraitBatch

TEMPERATURE = 0.08
# Weights of the terms; each term is near 1 for a network that knows nothing.
WEIGHTS = {
    "landmarks": 0.6,
    "first_landmarks": 0.3,
    "head_pose": 1.0,
    "gaze": 1.5,
    "expression": 2.0,
    "identity": 0.25,
    "parsing": 1.0,
}
LANDMARK_UNIT_PX = 2.0
EXPRESSION_FLOOR = 0.05  # added to each entry's deviation: rare ones must not dominate


class PortraitObjective(nn.Module):
    """Sum of the heads' losses in units of the training data.

    Args:
        network: trained.
        targets: (N, 193) of the training frames, as `Frames.targets`.
        blinks: the two entries of the expression that close the eyes.
    """

    def __init__(self, network: PortraitNet, targets: Tensor, blinks: list[int]):
        super().__init__()
        self.network, self.blinks = network, blinks
        deviation = targets.std(dim=0)
        self.register_buffer("head_pose_unit", deviation[136:139], persistent=False)
        self.register_buffer("gaze_unit", deviation[139:141], persistent=False)
        self.register_buffer("expression_unit", deviation[-NUM_EXPRESSIONS:] + EXPRESSION_FLOOR, persistent=False)

    def forward(self, crop_landmarks: Tensor, **truth: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted sum of the terms, and the terms.

        Args:
            crop_landmarks: (B, 68, 2) px, where face, eyes and mouth are cut out: near the truth, as far from it as a
                trained network's landmarks.
            truth: the entries of a `PortraitBatch`.
        """
        batch = PortraitBatch(**truth)
        terms = self.terms(*read_at(self.network, batch.images, crop_landmarks), batch)
        return sum(weight * terms[name] for name, weight in WEIGHTS.items()), terms

    def terms(self, reading: PortraitReading, first_landmarks: Tensor, batch: PortraitBatch) -> dict[str, Tensor]:
        """Unweighted terms, scalars, by the names of `WEIGHTS`.

        Args:
            reading: of the batch's images.
            first_landmarks: (B, 68, 2) px, as found before eyes and mouth were cut out.
            batch: images and truth.
        """
        # The gaze of closed eyes cannot be seen.
        openness = (1 - batch.expression[:, self.blinks].mean(1, keepdim=True)).clamp(0, 1)
        return {
            "landmarks": F.smooth_l1_loss(reading.landmarks, batch.landmarks) / LANDMARK_UNIT_PX,
            "first_landmarks": F.smooth_l1_loss(first_landmarks, batch.landmarks) / LANDMARK_UNIT_PX,
            "head_pose": ((reading.head_pose - batch.head_pose) / self.head_pose_unit).abs().mean(),
            "gaze": (openness * ((reading.gaze - batch.gaze) / self.gaze_unit).abs()).mean(),
            # Not the absolute difference: its best constant is the median, which is 0 for entries that are seldom used.
            "expression": F.smooth_l1_loss(
                reading.expression / self.expression_unit, batch.expression / self.expression_unit
            ),
            "identity": contrastive_loss(reading.identity, batch.identity),
            "parsing": F.cross_entropy(reading.parsing, F.avg_pool2d(batch.regions, 2)),
        }


def read_at(network: PortraitNet, images: Tensor, crop_landmarks: Tensor) -> tuple[PortraitReading, Tensor]:
    """Reading of images (B, 3, H, H) cut at landmarks (B, 68, 2) px, and the landmarks as first found."""
    stages, fused = network.look(network.resize(images))
    landmarks = network.find_landmarks(fused)
    return network.read(images, stages, fused, landmarks, crop_landmarks), landmarks


def contrastive_loss(embeddings: Tensor, identity: Tensor) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020) of unit embeddings (B, D) with numbers of people (B,).

    Each image should find the others of its person among all other images of the batch.
    """
    alone = torch.eye(len(identity), dtype=torch.bool, device=embeddings.device)
    logits = (embeddings @ embeddings.T / TEMPERATURE).masked_fill(alone, -torch.inf)
    same = (identity[:, None] == identity[None]) & ~alone
    log_share = logits.log_softmax(dim=1).masked_fill(~same, 0.0)
    return -(log_share.sum(1) / same.sum(1).clamp(min=1)).mean()
