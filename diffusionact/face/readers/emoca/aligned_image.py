"""The aligned 256 px image of a face, cut frame by frame as the authors do, or by one slow crop for a clip."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ....types import CropTransform, map_tensors
from ...geometry.alignment import (
    MIN_SQUARE_PX,
    align_face,
    clip_crop_transform,
    face_crop_quad,
    invert_transform,
    transform_points,
)
from ..open.face_model import ALIGNED_SIZE
from ..open.landmarker.regions import shrink_frame
from ..open.reader import CLIP_CROP_CUTOFF_HZ
from ..smoothing import OneEuroFilter


class FrameCrop:
    """Cuts every frame anew around its own landmarks, turned with the face: the official way."""

    def __call__(self, frame: Tensor, landmarks: Tensor) -> tuple[Tensor, CropTransform]:
        """The aligned image uint8 (256, 256, 3) and its crop, of a frame uint8 (H, W, 3) and landmarks (1, 68, 2)."""
        aligned, crop = align_face(frame, landmarks[0], ALIGNED_SIZE)
        return aligned.to(frame.device), map_tensors(crop, lambda tensor: tensor.to(frame.device))


class ClipCrop:
    """Cuts one upright crop that follows the head slowly, so that its roll and travel stay visible.

    Args:
        frame_rate: frames per second.
    """

    def __init__(self, frame_rate: float):
        self.smooth = OneEuroFilter(frame_rate, min_cutoff=CLIP_CROP_CUTOFF_HZ, beta=0.0)

    def __call__(self, frame: Tensor, landmarks: Tensor) -> tuple[Tensor, CropTransform]:
        """As `FrameCrop`; beyond the frame's borders its last pixels are repeated."""
        upright = clip_crop_transform(landmarks, ALIGNED_SIZE)
        crop = replace(upright, matrix=self.smooth(upright.matrix))
        return sample_crop(frame, crop), crop


def spans_a_face(landmarks: Tensor) -> bool:
    """Whether landmarks (1, 68, 2) px span a square that a face can be cut from."""
    quad = face_crop_quad(landmarks)
    return bool((quad[:, 3] - quad[:, 0]).norm() >= MIN_SQUARE_PX)


def sample_crop(frame: Tensor, crop: CropTransform) -> Tensor:
    """Image uint8 (size, size, 3) inside a crop (one row) of a frame uint8 (H, W, 3), filtered where it shrinks."""
    factor = max(int(1.0 / float(crop.matrix[0, 0].norm())), 1)
    small = shrink_frame(frame, min(factor, *frame.shape[:2])).permute(2, 0, 1)[None].float()
    steps = torch.arange(crop.size, dtype=crop.matrix.dtype, device=frame.device)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    positions = transform_points(invert_transform(crop.matrix), torch.stack([x, y], dim=-1).reshape(1, -1, 2))
    extent = positions.new_tensor([frame.shape[1], frame.shape[0]])
    grid = ((positions + 0.5) / extent * 2 - 1).view(1, crop.size, crop.size, 2)
    sampled = F.grid_sample(small, grid.to(small.dtype), padding_mode="border", align_corners=False)
    return sampled[0].permute(1, 2, 0).round().to(torch.uint8)
