"""Aligned mouth crops: squares that move, turn and scale with the head, so that teeth are of one size in all of them.

A crop is of an aligned image of `IMAGE_SIZE`, and its pixels are those of a square of `SIDE_CM` of the head, upright in
it, around the middle of the inner lips.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusionact.face.geometry.alignment import compose_transforms, invert_transform
from diffusionact.images import uint8_to_model
from diffusionact.warping import WarpMotion, WarpRenderer, WarpSource
from diffusionact.warping.mouth import LIP_CORNERS
from diffusionact.warping.placement import plane_to_aligned
from diffusionact.warping.sampling import apply, pixel_centres, polygon_distance, smooth_outline
from diffusionact.warping.topology import LIP_OUTLINE, LIP_RING
from diffusionact.warping.values import HeadPlacement
from diffusionact.warping.view import crop_output

from ..experiments.shards import PairTensors

IMAGE_SIZE, CROP_SIZE, SIDE_CM = 256, 64, 7.5
JAW_LINE = (172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397)
MARKS = (*LIP_RING, *LIP_OUTLINE, *JAW_LINE)


@dataclass(frozen=True)
class MouthPairs(PairTensors):
    """N mouths of one person, all from one or several of their photos.

    Attributes:
        warped: (N, 3, S, S) uint8, the mouth as the warp draws it.
        truth: (N, 3, S, S) uint8, as it was.
        own: (N, 3, S, S) uint8, the source's own mouth, in its own crop.
        confidence: (N, 1, S, S) uint8, that of the warp, 255 where it is sure.
        marks: (N, M, 2) px of the crop, the points `MARKS` of the mesh as the warp has them.
        opening: (N, 2) distance of the lips, cm, in the target and in the source.
        miss: (N,) mean difference of warp and truth where the warp is sure and shows no inside, levels of 255.
        detail: (N,) px of the photo or frame for one of the crop; below 1 the crop is softer than it could be.
    """

    warped: Tensor
    truth: Tensor
    own: Tensor
    confidence: Tensor
    marks: Tensor
    opening: Tensor
    miss: Tensor
    detail: Tensor

    def __len__(self) -> int:
        return len(self.warped)


def mouth_marks(placement: HeadPlacement, head: Tensor) -> Tensor:
    """(M, 2) px of the aligned image, `MARKS` of a mesh (478, 3) cm under a placement of one row."""
    plane = placement.place(head[None, list(MARKS)])[0]
    return apply(crop_output(IMAGE_SIZE, plane.device), plane_to_aligned(plane)[:, :2])


def to_crop(placement: HeadPlacement, marks: Tensor) -> Tensor:
    """(2, 3) px of the aligned image -> px of the mouth's crop."""
    across = placement.rotation[0, :2, 0] * placement.rotation.new_tensor([1.0, -1.0])  # image y grows downwards
    cosine, sine = across / across.norm().clamp(min=1e-6)
    px_per_cm = IMAGE_SIZE / 2 * placement.scale[0]
    linear = torch.stack([torch.stack([cosine, sine]), torch.stack([-sine, cosine])])
    linear = linear * (CROP_SIZE / SIDE_CM / px_per_cm)
    ring = marks[: len(LIP_RING)] @ linear.T
    middle = (ring.amin(0) + ring.amax(0)) / 2
    return torch.cat([linear, ((CROP_SIZE - 1) / 2 - middle)[:, None]], dim=1)


def cut(image: Tensor, matrix: Tensor) -> Tensor:
    """Crop (C, S, S) of an image (C, H, W) by a map (2, 3) px -> px of the crop; beyond the image its border goes on.

    Pixels are means of four, as images may be finer than the crop.
    """
    fine = (pixel_centres(2 * CROP_SIZE, 2 * CROP_SIZE, image.device) - 0.5) / 2
    positions = apply(invert_transform(matrix[None])[0], fine)
    grid = (positions + 0.5) * (2 / image.new_tensor([image.shape[2], image.shape[1]])) - 1
    crop = F.grid_sample(image[None], grid[None], mode="bicubic", padding_mode="border", align_corners=False)
    return F.avg_pool2d(crop, 2)[0]


def inside_distance(marks: Tensor, side: int = CROP_SIZE) -> Tensor:
    """(side, side) px inside the inner lips, negative outside, of marks (M, 2) px of the crop."""
    outline = smooth_outline(marks[: len(LIP_RING)].float(), LIP_CORNERS, 2)
    return polygon_distance(*pixel_centres(side, side, marks.device).unbind(-1), outline)


def lips_apart(head: Tensor) -> Tensor:
    """() distance of the inner lips' middles, cm, of a mesh (478, 3) cm."""
    return (head[13] - head[14]).norm()


def mouth_pairs(
    source: WarpSource, aligned: Tensor, motion: WarpMotion, photo: Tensor, frames: list[Tensor]
) -> MouthPairs:
    """Mouths of a source, warped by a motion of N rows, beside N true frames (H, W, 3) uint8.

    `aligned` (2, 3) is photo px -> aligned px, of the source's photo (H, W, 3) uint8.
    """
    renderer = WarpRenderer(source, IMAGE_SIZE)
    to_image = compose_transforms(crop_output(IMAGE_SIZE, aligned.device)[None], aligned[None])

    def seen(frame: Tensor, matrix: Tensor) -> Tensor:
        return _levels(cut(uint8_to_model(frame[None])[0], compose_transforms(matrix[None], to_image)[0]))

    own = seen(photo, to_crop(source.placement, mouth_marks(source.placement, source.shape)))
    rows = []
    for index, frame in enumerate(frames):
        placement, change = motion.placement.row(index), motion.change[index]
        drawn = renderer.render(WarpMotion(placement, change[None]))
        marks = mouth_marks(placement, source.shape + change)
        matrix = to_crop(placement, marks)
        warped, truth = _levels(cut(drawn.images[0], matrix)), seen(frame, matrix)
        sure = cut(drawn.confidence[0], matrix).clamp(0, 1)
        marks = apply(matrix, marks)
        skin = (sure[0] > 0.5) & (inside_distance(marks) < -1.5)
        miss = (warped.float() - truth.float()).abs().mean(0)[skin].mean() if skin.any() else torch.tensor(255.0)
        opening = torch.stack([lips_apart(source.shape + change), lips_apart(source.shape)])
        sure = (255 * sure).round().to(torch.uint8)
        rows.append(MouthPairs(warped, truth, own, sure, marks.half(), opening, miss, _detail(matrix, to_image)))
    return MouthPairs(*(torch.stack([getattr(row, field.name) for row in rows]) for field in fields(MouthPairs)))


def _detail(matrix: Tensor, to_image: Tensor) -> Tensor:
    """() px of the photo for one of the crop."""
    return 1 / torch.linalg.det(compose_transforms(matrix[None], to_image)[0, :, :2]).abs().sqrt()


def _levels(image: Tensor) -> Tensor:
    """uint8 of an image in [-1, 1]."""
    return ((image + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
