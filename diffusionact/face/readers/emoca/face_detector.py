"""S3FD face detector: an image to face boxes with scores.

Boxes are left, top, right, bottom in pixels. Source of the rules: Zhang et al. 2017 (S3FD) and the official code's
detector; held against its outputs in tests/face/readers/emoca/test_emoca_face_detector.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

OFFICIAL_WIDTH = 64
# Convolutions of each stage of the VGG trunk, and the stage's channels as a multiple of the width.
TRUNK_STAGES = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))
# Pixels between the cells of each of the six maps; a prior box is four times as large.
STRIDES = (4, 8, 16, 32, 64, 128)
PRIOR_PER_STRIDE = 4
CENTRE_VARIANCE = 0.1
SIZE_VARIANCE = 0.2
NORM_EPS = 1e-10
CANDIDATE_SCORE = 0.05
NMS_OVERLAP = 0.3
FACE_SCORE = 0.5


@dataclass(frozen=True)
class DetectedBoxes:
    """N faces of one image, best score first.

    Attributes:
        boxes: (N, 4) left, top, right, bottom, px.
        scores: (N,) in [0, 1].
    """

    boxes: Tensor
    scores: Tensor

    def __len__(self) -> int:
        return len(self.scores)


class ChannelNorm(nn.Module):
    """Divides by the length over channels and scales each channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) of the same shape."""
        length = x.square().sum(1, keepdim=True).sqrt() + NORM_EPS
        return x / length * self.weight[:, None, None]


class FaceDetector(nn.Module):
    """S3FD.

    Args:
        width: channels of the first convolution; the official network has 64.
    """

    def __init__(self, width: int = OFFICIAL_WIDTH):
        super().__init__()
        self.trunk = nn.ModuleList()
        channels = 3
        for convolutions, multiple in TRUNK_STAGES:
            self.trunk.append(_convolutions(channels, convolutions, multiple * width))
            channels = multiple * width
        self.trunk.append(
            nn.ModuleList([nn.Conv2d(channels, 16 * width, 3, padding=3), nn.Conv2d(16 * width, 16 * width, 1)])
        )
        for before, inside, after in ((16, 4, 8), (8, 2, 4)):
            narrow = nn.Conv2d(before * width, inside * width, 1)
            self.trunk.append(nn.ModuleList([narrow, nn.Conv2d(inside * width, after * width, 3, 2, padding=1)]))
        map_channels = [multiple * width for multiple in (4, 8, 8, 16, 8, 4)]
        self.norms = nn.ModuleList(ChannelNorm(channels) for channels in map_channels[:3])
        # The finest map tells three kinds of background apart.
        self.score_heads = nn.ModuleList(
            nn.Conv2d(channels, 4 if index == 0 else 2, 3, padding=1) for index, channels in enumerate(map_channels)
        )
        self.box_heads = nn.ModuleList(nn.Conv2d(channels, 4, 3, padding=1) for channels in map_channels)

    def forward(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Raw outputs, finest map first.

        Args:
            images: (B, 3, H, W) RGB in [0, 255), see `ranges.to_official_levels`; no mean is subtracted.

        Returns:
            Six pairs: scores before softmax (B, 2, h, w), background and face; boxes (B, 4, h, w) relative to the
            priors.
        """
        hidden, maps = images, []
        for index, stage in enumerate(self.trunk):
            for convolution in stage:
                hidden = F.relu(convolution(hidden))
            if index >= 2:
                maps.append(self.norms[index - 2](hidden) if index < 5 else hidden)
            if index < 5:
                hidden = F.max_pool2d(hidden, 2, 2)
        scores = [head(features) for head, features in zip(self.score_heads, maps, strict=True)]
        scores[0] = torch.cat([scores[0][:, :3].amax(1, keepdim=True), scores[0][:, 3:]], dim=1)
        boxes = [head(features) for head, features in zip(self.box_heads, maps, strict=True)]
        return list(zip(scores, boxes, strict=True))

    @torch.no_grad()
    def detect(self, images: Tensor, threshold: float = FACE_SCORE) -> list[DetectedBoxes]:
        """Faces of each image, best score first.

        Args:
            images: (B, 3, H, W) as for `forward`.
            threshold: minimum score after suppression; the official code has 0.5.

        Returns:
            One result an image, on the CPU; it may be empty.
        """
        boxes, scores = [], []
        for (logits, relative), stride in zip(self(images), STRIDES, strict=True):
            boxes.append(decode_boxes(relative.flatten(2).transpose(1, 2), _priors(relative, stride)))
            scores.append(logits.softmax(1)[:, 1].flatten(1))
        all_boxes, all_scores = torch.cat(boxes, 1).cpu(), torch.cat(scores, 1).cpu()
        return [_best_boxes(*row, threshold) for row in zip(all_boxes, all_scores, strict=True)]


def decode_boxes(relative: Tensor, priors: Tensor) -> Tensor:
    """Corners (..., 4) px from box outputs (..., 4) and priors (N, 4), given as centre x, y, width, height, px."""
    centre = priors[..., :2] + relative[..., :2] * CENTRE_VARIANCE * priors[..., 2:]
    size = priors[..., 2:] * torch.exp(relative[..., 2:] * SIZE_VARIANCE)
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)


def suppress_overlaps(boxes: Tensor, scores: Tensor) -> Tensor:
    """Rows of the boxes (N, 4) that remain when each removes the worse ones it overlaps; best score first.

    Widths and heights count one pixel more, as for boxes whose corners are pixels inside.
    """
    areas = (boxes[:, 2:] - boxes[:, :2] + 1.0).prod(-1)
    waiting, kept = scores.argsort(descending=True, stable=True), []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[waiting, :2])
        high = torch.minimum(boxes[best, 2:], boxes[waiting, 2:])
        common = (high - low + 1.0).clamp(min=0).prod(-1)
        waiting = waiting[common / (areas[best] + areas[waiting] - common) <= NMS_OVERLAP]
    return torch.stack(kept) if kept else scores.new_zeros(0, dtype=torch.long)


def _convolutions(channels: int, count: int, width: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Conv2d(channels if i == 0 else width, width, 3, padding=1) for i in range(count))


def _priors(like: Tensor, stride: int) -> Tensor:
    """(h w, 4) centre x, y, width, height, px, of a map (B, C, h, w); row by row."""
    rows, columns = (torch.arange(n, device=like.device, dtype=like.dtype) for n in like.shape[2:])
    y, x = torch.meshgrid(stride / 2 + rows * stride, stride / 2 + columns * stride, indexing="ij")
    size = torch.full_like(x, PRIOR_PER_STRIDE * stride)
    return torch.stack([x, y, size, size], dim=-1).flatten(0, 1)


def _best_boxes(boxes: Tensor, scores: Tensor, threshold: float) -> DetectedBoxes:
    candidates = scores > CANDIDATE_SCORE
    boxes, scores = boxes[candidates], scores[candidates]
    kept = suppress_overlaps(boxes, scores)
    kept = kept[scores[kept] > threshold]
    return DetectedBoxes(boxes[kept], scores[kept])
