"""MediaPipe's short-range BlazeFace detector: squares of an image -> boxes and six key points of faces.

Key points: image-left eye (the subject's right), image-right eye, nose tip, mouth, image-left ear, image-right ear.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ....geometry.resize import resize_points
from .graph import load_bundled_network
from .regions import SquareRegions

INPUT_SIZE = 128
NUM_KEY_POINTS = 6
# (cells a side, anchors a cell) of the two feature maps.
ANCHOR_GRIDS = ((16, 2), (8, 6))
SCORE_LOGIT_LIMIT = 100.0
NMS_OVERLAP = 0.3
REGION_SCALE = 1.5  # the mesh net expects this margin around the box


@dataclass(frozen=True)
class Detections:
    """N faces of one image, best score first.

    Attributes:
        boxes: (N, 4) left, top, right, bottom; px of the image.
        key_points: (N, 6, 2) px.
        scores: (N,) in [0, 1].
        regions: where the mesh net should look.
    """

    boxes: Tensor
    key_points: Tensor
    scores: Tensor
    regions: SquareRegions

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: slice | Tensor | list[int]) -> Detections:
        return Detections(self.boxes[rows], self.key_points[rows], self.scores[rows], self.regions[rows])

    def enlarged(self, factor: int) -> Detections:
        """The same detections in an image `factor` times as large."""
        corners, key_points = (resize_points(p, 1, factor) for p in (self.boxes.reshape(-1, 2, 2), self.key_points))
        return Detections(corners.reshape(-1, 4), key_points, self.scores, self.regions.enlarged(factor))

    @classmethod
    def join(cls, parts: list[Detections]) -> Detections:
        """Detections of several views of one image, best first; of overlapping boxes the best stays."""
        boxes, points, scores = (
            torch.cat([getattr(part, name) for part in parts]) for name in ("boxes", "key_points", "scores")
        )
        everything = cls(boxes, points, scores, SquareRegions.join([part.regions for part in parts]))
        waiting = scores.argsort(descending=True)
        kept = []
        while len(waiting):
            kept.append(int(waiting[0]))
            waiting = waiting[box_overlap(boxes[waiting[0]], boxes[waiting]) <= NMS_OVERLAP]
        return everything[kept]


def make_anchors() -> Tensor:
    """Anchor centres (896, 2), unit coordinates; cell by cell, row by row."""
    grids = []
    for cells, repeats in ANCHOR_GRIDS:
        middle = (torch.arange(cells) + 0.5) / cells
        y, x = torch.meshgrid(middle, middle, indexing="ij")
        grids.append(torch.stack([x, y], dim=-1).reshape(-1, 2).repeat_interleave(repeats, dim=0))
    return torch.cat(grids)


def box_overlap(box: Tensor, boxes: Tensor) -> Tensor:
    """Intersection over union of one box (4,) with boxes (N, 4), given as left, top, right, bottom."""
    low, high = torch.maximum(box[:2], boxes[:, :2]), torch.minimum(box[2:], boxes[:, 2:])
    common = (high - low).clamp(min=0).prod(-1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    return common / (areas + (box[2:] - box[:2]).prod() - common).clamp(min=1e-12)


def weighted_suppression(values: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Replace each cluster of overlapping boxes by its score-weighted mean; the best score stays.

    Args:
        values: (N, 4 + 2 K), boxes and key points.
        scores: (N,).

    Returns:
        (M, 4 + 2 K), (M,), best first.
    """
    waiting = scores.argsort(descending=True)
    merged, best = [], []
    while len(waiting):
        similar = box_overlap(values[waiting[0], :4], values[waiting, :4]) > NMS_OVERLAP
        similar[0] = True  # a box without area overlaps nothing, not even itself
        cluster = waiting[similar]
        weights = scores[cluster]
        merged.append((values[cluster] * weights[:, None]).sum(0) / weights.sum())
        best.append(weights[0])
        waiting = waiting[~similar]
    if not merged:
        return values[:0], scores[:0]
    return torch.stack(merged), torch.stack(best)


class FaceDetector(nn.Module):
    """Finds faces in square views of images."""

    def __init__(self):
        super().__init__()
        self.net = load_bundled_network("face_detector")
        self.register_buffer("anchors", make_anchors(), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Raw candidates of a batch.

        Args:
            images: (B, 3, 128, 128) float in [-1, 1].

        Returns:
            (B, 896, 16) boxes (left, top, right, bottom) and key points, unit coordinates; (B, 896) scores.
        """
        # Channels-last runs twice as fast on CPUs here.
        raw, logits = self.net(images.contiguous(memory_format=torch.channels_last))
        raw = raw / INPUT_SIZE
        centre, extent = raw[..., :2] + self.anchors, raw[..., 2:4]
        points = raw[..., 4:] + self.anchors.repeat(1, NUM_KEY_POINTS)
        scores = logits[..., 0].clamp(-SCORE_LOGIT_LIMIT, SCORE_LOGIT_LIMIT).sigmoid()
        return torch.cat([centre - extent / 2, centre + extent / 2, points], dim=-1), scores

    def detect(self, images: Tensor, views: SquareRegions, threshold: float) -> list[Detections]:
        """Faces in each view; nothing is merged between views.

        Args:
            images: (V, 3, 128, 128) float in [0, 255], what the views show.
            views: V squares of the images that the results should refer to.
            threshold: minimum score.

        Returns:
            V results on the CPU.
        """
        values, scores = (tensor.cpu() for tensor in self(images / 127.5 - 1.0))
        results = []
        for row in range(len(views)):
            kept = scores[row] >= threshold
            merged, best = weighted_suppression(values[row, kept], scores[row, kept])
            results.append(_place(merged, best, views[row : row + 1]))
        return results


def _place(values: Tensor, scores: Tensor, view: SquareRegions) -> Detections:
    """Carry detections (N, 16) from the unit coordinates of a view to the image."""
    left, top, right, bottom = values[:, :4].unbind(-1)
    corners = torch.stack([left, top, right, top, right, bottom, left, bottom], dim=-1)
    placed = view.to_image(torch.cat([corners, values[:, 4:]], dim=-1).reshape(1, -1, 2))[0]
    placed = placed.reshape(-1, 4 + NUM_KEY_POINTS, 2)
    corners, key_points = placed[:, :4], placed[:, 4:]
    eyes = key_points[:, 1] - key_points[:, 0]
    side = torch.maximum(right - left, bottom - top) * view.side * REGION_SCALE
    regions = SquareRegions(corners.mean(1), side, torch.atan2(eyes[:, 1], eyes[:, 0]))
    return Detections(torch.cat([corners.amin(1), corners.amax(1)], dim=-1), key_points, scores, regions)
