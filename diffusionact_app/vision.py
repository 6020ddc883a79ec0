"""What the model sees of a photo or frame: all faces, the landmarks of the chosen one, and the crop that is cut out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from diffusionact.face.geometry.alignment import invert_transform, transform_points

from .shared_model import SharedModel

SHOWN_PX = 720
FACE_COLOUR, OTHER_COLOUR, CROP_COLOUR, PUPIL_COLOUR = "#37d0a0", "#9aa3a0", "#ffb347", "#ff5a5f"


@dataclass(frozen=True)
class MarkedImage:
    """A photo or frame with its faces marked.

    Attributes:
        image: for showing.
        boxes: (N, 4) left, top, right, bottom of all faces in px of `image`, largest first.
        chosen: index of the face that is used.
    """

    image: Image.Image
    boxes: Tensor
    chosen: int


def mark_faces(model: SharedModel, image: Tensor, face: str | int) -> MarkedImage:
    """Find the faces of an image uint8 (H, W, 3) with the pipeline's own face reader and draw them.

    Raises:
        NoFaceFoundError: if there is no such face.
    """
    chosen = face if isinstance(face, int) else 0
    read = model.read_face(image, chosen)
    to_full = invert_transform(read.crop.matrix)
    seen = read.observation
    landmarks, pupils = (transform_points(to_full, points)[0].cpu() for points in (seen.landmarks, seen.pupils))
    corners = crop_corners(read.crop.matrix, read.crop.size)
    scale = min(1.0, SHOWN_PX / max(image.shape[:2]))
    boxes = model.face_boxes(image).cpu() * scale
    shown = Image.fromarray(image.numpy())
    shown = shown.resize((max(1, round(shown.width * scale)), max(1, round(shown.height * scale))))
    _draw(shown, boxes.tolist(), chosen, (landmarks * scale).tolist(), (pupils * scale).tolist(), corners * scale)
    return MarkedImage(shown, boxes, chosen)


def face_at(boxes: list[list[float]], x: float, y: float) -> int | None:
    """Index of the smallest box that holds a point, or None."""
    inside = [
        ((right - left) * (bottom - top), index)
        for index, (left, top, right, bottom) in enumerate(boxes)
        if left <= x <= right and top <= y <= bottom
    ]
    return min(inside)[1] if inside else None


def _draw(image: Image.Image, boxes: list, chosen: int, landmarks: list, pupils: list, corners: Tensor) -> None:
    draw = ImageDraw.Draw(image)
    line = max(2, round(max(image.size) / 240))
    draw.polygon([tuple(corner) for corner in corners.tolist()], outline=CROP_COLOUR, width=line)
    for index, box in enumerate(boxes):
        colour = FACE_COLOUR if index == chosen else OTHER_COLOUR
        draw.rectangle(box, outline=colour, width=line)
        draw.text((box[0] + 2 * line, box[1] + line), str(index + 1), fill=colour, font_size=8 * line)
    for points, colour in ((landmarks, FACE_COLOUR), (pupils, PUPIL_COLOUR)):
        for x, y in points:
            draw.ellipse((x - line / 2, y - line / 2, x + line / 2, y + line / 2), fill=colour)


def crop_corners(matrix: Tensor, size: int) -> Tensor:
    """(4, 2) px of the full image: the corners of a crop, in order around it."""
    square = torch.tensor([[0.0, 0.0], [size, 0.0], [size, size], [0.0, size]]) - 0.5
    return transform_points(invert_transform(matrix.cpu()), square[None])[0]
