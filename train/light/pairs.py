"""What one photo under its light says of the same face in another pose: values at the 468 vertices of the face mesh.

The truth is the broad brightness of the true frame over that of the warped photo, where the warp is confident and shows
skin: what a light that follows the turn has to multiply by. Brightness is luminance, encoded as the image is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusionact.images import uint8_to_model
from diffusionact.warping import FaceReading, WarpMotion, WarpRenderer, WarpSource
from diffusionact.warping.canvas import lay_out
from diffusionact.warping.light import GAMMA, LUMINANCE
from diffusionact.warping.sampling import sample
from diffusionact.warping.topology import NUM_FACE, SKIN
from diffusionact.warping.view import crop_output, plane_to_output

from ..experiments.shards import PairTensors
from .relighting import smooth_normals

SIZE = 128
MIN_CONFIDENCE = 0.5
# Three passes of a box of this radius, px of SIZE, tell the broad brightness: about a 16th of the crop.
BROAD_RADIUS_PX = 4
# Less skin than this share of the box has no broad brightness.
MIN_SKIN = 0.1
MAX_RATIO = 2.5


@dataclass(frozen=True)
class LightPairs(PairTensors):
    """One source and T targets; the order of the vertices is that of the face mesh.

    Attributes:
        colour: (468, 3) broad colour of the skin in the source, in [0, 1].
        seen: (468,) how well the source saw it, in [0, 1].
        light: (9,) the spherical harmonics fitted to the source.
        normals: (468, 3) smoothed unit normals in the source.
        turned: (T, 468, 3) those in each target.
        brightness: (T, 468) broad brightness of the warped source, in [0, 1].
        ratio: (T, 468) logarithm of the true broad brightness over it.
        weight: (T, 468) trust, in [0, 1].
    """

    colour: Tensor
    seen: Tensor
    light: Tensor
    normals: Tensor
    turned: Tensor
    brightness: Tensor
    ratio: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.ratio)


def measure_pairs(source: WarpSource, reading: FaceReading, motion: WarpMotion, frames: list[Tensor]) -> LightPairs:
    """Compare a source, warped by a motion of T rows, with T true frames (H, W, 3) uint8 of the same person."""
    drawn = WarpRenderer(source, SIZE, relight=0.0).render(motion)
    truth = torch.stack([aligned_frame(frame, reading.aligned, int(source.crop_side), SIZE) for frame in frames])
    skin = ((drawn.labels == SKIN) & (drawn.confidence > MIN_CONFIDENCE)).float() * drawn.confidence
    share = broad(skin)
    warped, true = (broad(grey(images) * skin) / share.clamp(min=1e-3) for images in (drawn.images, truth))
    ratio = (true.clamp(min=1e-2) / warped.clamp(min=1e-2)).clamp(1 / MAX_RATIO, MAX_RATIO).log()
    placed = motion.placement.place(source.shape + motion.change)
    to_output = crop_output(SIZE, source.device)
    at = torch.stack([plane_to_output(points[:NUM_FACE], to_output)[:, :2] for points in placed])
    grid = (at[:, None] + 0.5) * (2 / SIZE) - 1
    layers = torch.cat([warped, ratio, share * (share > MIN_SKIN)], dim=1)
    brightness, ratio, weight = F.grid_sample(layers, grid, align_corners=False)[:, :, 0].unbind(1)
    turned = torch.stack([smooth_normals(points) for points in placed])
    return LightPairs(
        colour=sample(source.skin_light, source.positions[:NUM_FACE]).T,
        seen=source.seen[:NUM_FACE],
        light=source.broad_light,
        normals=smooth_normals(source.placement.place(source.shape[None])[0]),
        turned=turned,
        brightness=brightness,
        ratio=ratio,
        weight=weight * (turned[..., 2] > 0.05),
    )


def grey(images: Tensor) -> Tensor:
    """(F, 1, H, W) brightness in [0, 1] of images (F, 3, H, W) in [-1, 1]."""
    linear = ((images + 1) / 2).clamp(0, 1) ** GAMMA
    weights = linear.new_tensor(LUMINANCE)[:, None, None]
    return (linear * weights).sum(1, keepdim=True) ** (1 / GAMMA)


def broad(values: Tensor) -> Tensor:
    """Low frequencies of layers (F, C, H, W)."""
    for _ in range(3):
        values = F.avg_pool2d(values, 2 * BROAD_RADIUS_PX + 1, 1, BROAD_RADIUS_PX)
    return values


def aligned_frame(frame: Tensor, aligned: Tensor, crop_side: int, size: int) -> Tensor:
    """A frame (H, W, 3) uint8 in the source's aligned crop, (3, size, size) in [-1, 1]."""
    canvas, _ = lay_out((uint8_to_model(frame[None])[0] + 1) / 2, aligned, crop_side)
    margin = (canvas.shape[-1] - crop_side) // 2
    crop = canvas[None, :, margin : margin + crop_side, margin : margin + crop_side]
    return F.interpolate(crop, size=(size, size), mode="bilinear", antialias=True)[0] * 2 - 1
