"""The square that a face is cut out by, drawn on its photo, and what lies in it: before anything is encoded."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .. import images
from ..checks import check_frames
from ..face.geometry.alignment import compose_transforms, cut_crop, transform_points
from ..face.geometry.crop_change import UNCHANGED, CropChange
from ..face.geometry.resize import resize_transform
from ..face.readers.changed_crop import changed_source, check_crop_change
from ..face.readers.reader import FaceReader
from ..types import CropTransform

PREVIEW_SIDE = 768  # px, longest side of a preview
LINE_PX, TOP_LINE_PX = 1.5, 4.0
LINE_COLOUR = (255, 196, 0)
OUTSIDE_BRIGHTNESS = 0.45


@dataclass(frozen=True)
class CropPreview:
    """What `crop_preview` shows.

    Attributes:
        photo: uint8 (h, w, 3), at most 768 px: dark outside of the square, a thick line along its upper side.
        crop: uint8 (S, S, 3), what lies in the square.
        transform: photo -> crop, one row.
    """

    photo: Tensor
    crop: Tensor
    transform: CropTransform

    def side_by_side(self) -> Tensor:
        """uint8 (h, w, 3): the photo, and the crop at the same height."""
        crop = cut_side(self.crop, self.photo.shape[0])
        return torch.cat([self.photo, crop], dim=1)


@torch.no_grad()
def crop_preview(
    face_reader: FaceReader,
    photo: Tensor,
    face: str | int = "largest",
    change: CropChange = UNCHANGED,
    size: int = 512,
) -> CropPreview:
    """Show the crop of a source, or of one frame of a driver.

    Args:
        face_reader: finds the face.
        photo: uint8 (H, W, 3).
        face: "largest" or an index, largest first.
        change: of the square.
        size: side of the crop, pixels.

    Raises:
        NoFaceFoundError: if the photo shows no such face.
        ValueError: if the crop is changed and the face reader has its own.
    """
    check_frames("photo", photo[None])
    check_crop_change(change, face_reader.camera_frame)
    found = changed_source(photo, face_reader.read_source(photo, face), change)
    crop = found.face.crop
    return CropPreview(draw_crop(photo, crop), cut_crop(photo, crop, size), crop)


def draw_crop(photo: Tensor, crop: CropTransform, longest_px: int = PREVIEW_SIDE) -> Tensor:
    """A photo uint8 (H, W, 3), no larger than `longest_px`, with the square of a crop (one row) drawn on it."""
    scale = min(1.0, longest_px / max(photo.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
    small = images.resize(images.uint8_to_model(photo.cpu()[None]), (height, width))[0]
    shrink = resize_transform((height, width), tuple(photo.shape[:2]))
    to_crop = compose_transforms(crop.matrix.cpu(), shrink)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = transform_points(to_crop, torch.stack([x, y], dim=-1).view(1, -1, 2).float()).view(height, width, 2) + 0.5
    # Distance from the square's sides in px of the preview, positive inside.
    px = float(torch.linalg.det(to_crop[0, :, :2]).abs().sqrt()) ** -1
    inside = torch.minimum(places, crop.size - places).amin(-1) * px
    shown = (0.5 + inside).clamp(0, 1)
    line = (LINE_PX + 0.5 - inside.abs()).clamp(0, 1)
    top = (TOP_LINE_PX + 0.5 - (places[..., 1] * px).abs()).clamp(0, 1) * (inside > -TOP_LINE_PX)
    dark = (small + 1) * (OUTSIDE_BRIGHTNESS + (1 - OUTSIDE_BRIGHTNESS) * shown) - 1
    colour = torch.tensor(LINE_COLOUR).view(3, 1, 1) / 127.5 - 1
    return images.model_to_uint8(torch.lerp(dark, colour.expand_as(dark), torch.maximum(line, top))[None])[0]


def cut_side(image: Tensor, side: int) -> Tensor:
    """A square image uint8 (S, S, 3) at another side."""
    return images.model_to_uint8(images.resize(images.uint8_to_model(image[None]), side))[0]
