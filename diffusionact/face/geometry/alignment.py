"""FFHQ-style alignment of a face: the crop's geometry from 68 landmarks, and the image inside it.

Pixels are continuous with integer k the centre of pixel k. Reproduces the official code (its `ffhq_cropping`), which
maps the square straight onto the crop with bilinear sampling. Images larger than the crop are shrunk with
antialiasing first where the square is at least twice the crop's side; the official code's frames of 256 px never are.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...checks import check_frames, check_landmarks
from ...types import CropTransform
from .ibug68 import LEFT_EYE, LEFT_MOUTH_CORNER, RIGHT_EYE, RIGHT_MOUTH_CORNER
from .resize import resize_points

# The square's half side is the larger of these multiples of the distances eye to eye and eyes to mouth.
EYE_DISTANCE_FACTOR = 2.0
EYE_MOUTH_FACTOR = 1.8
# The square's centre lies this far from the eyes towards the mouth.
CENTRE_SHIFT = 0.1
BORDER_FRACTION = 0.1  # of the square's side, kept around it
PADDING_FRACTION = 0.3  # of the square's side, once padding is needed at all
BLUR_FRACTION = 0.01  # sigma of the padding's blur; FFHQ itself has 0.02
BLUR_TRUNCATE = 4.0  # radius of the blur in sigmas
MIN_SQUARE_PX = 4.0


def face_crop_quad(landmarks: Tensor, upright: bool = False) -> Tensor:
    """Corners of the square around a face.

    Args:
        landmarks: (B, 68, 2) px.
        upright: keep the square's sides parallel to the image's instead of turning it with the face.

    Returns:
        (B, 4, 2) px: upper left, lower left, lower right, upper right; lines between pixels, not pixel centres, hence
        shifted by half a pixel when used with an image.
    """
    right_eye = landmarks[:, list(RIGHT_EYE)].mean(1)
    left_eye = landmarks[:, list(LEFT_EYE)].mean(1)
    eyes = (right_eye + left_eye) * 0.5
    between_eyes = left_eye - right_eye
    eyes_to_mouth = (landmarks[:, RIGHT_MOUTH_CORNER] + landmarks[:, LEFT_MOUTH_CORNER]) * 0.5 - eyes
    half_side = torch.maximum(
        between_eyes.norm(dim=-1) * EYE_DISTANCE_FACTOR, eyes_to_mouth.norm(dim=-1) * EYE_MOUTH_FACTOR
    )
    across = torch.stack([between_eyes[:, 0] + eyes_to_mouth[:, 1], between_eyes[:, 1] - eyes_to_mouth[:, 0]], dim=-1)
    if upright:
        across = torch.tensor([1.0, 0.0], dtype=landmarks.dtype, device=landmarks.device).expand_as(across)
    x = across / across.norm(dim=-1, keepdim=True) * half_side[:, None]
    y = torch.stack([-x[:, 1], x[:, 0]], dim=-1)
    centre = eyes + CENTRE_SHIFT * eyes_to_mouth
    return torch.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y], dim=1)


def crop_transform(landmarks: Tensor, size: int) -> CropTransform:
    """The crop that `align_face` cuts out, from landmarks (B, 68, 2) px alone; differentiable."""
    return _quad_to_transform(face_crop_quad(landmarks), size)


def clip_crop_transform(landmarks: Tensor, size: int) -> CropTransform:
    """A crop of the same position and size that is not turned with the face, from landmarks (B, 68, 2) px.

    Smoothed or held over a clip, it leaves the head's roll and travel visible inside the crop.
    """
    return _quad_to_transform(face_crop_quad(landmarks, upright=True), size)


def transform_points(matrix: Tensor, points: Tensor) -> Tensor:
    """Map points (B, N, 2) px with affine maps (B, 2, 3); a batch of one map serves all rows."""
    return points @ matrix[..., :2].transpose(-1, -2) + matrix[..., 2].unsqueeze(-2)


def invert_transform(matrix: Tensor) -> Tensor:
    """Inverse affine maps (B, 2, 3) of affine maps (B, 2, 3): crop px -> full-image px of a crop transform."""
    (a, b), (c, d) = matrix[..., 0, :2].unbind(-1), matrix[..., 1, :2].unbind(-1)
    adjugate = torch.stack([torch.stack([d, -b], dim=-1), torch.stack([-c, a], dim=-1)], dim=-2)
    linear = adjugate / (a * d - b * c)[..., None, None]
    return torch.cat([linear, -linear @ matrix[..., 2:]], dim=-1)


def compose_transforms(second: Tensor, first: Tensor) -> Tensor:
    """The affine maps (B, 2, 3) that apply `first` (B, 2, 3), then `second` (B, 2, 3)."""
    linear = second[..., :2] @ first[..., :2]
    return torch.cat([linear, second[..., :2] @ first[..., 2:] + second[..., 2:]], dim=-1)


def align_face(image: Tensor, landmarks: Tensor, size: int = 256) -> tuple[Tensor, CropTransform]:
    """Cut the aligned face out of an image; beyond its borders the image is mirrored, blurred and faded.

    Source: official `align_crop_image`; tests/face/geometry/test_geometry_alignment.py allows 1 level in less than
    0.1 % of bytes.

    Args:
        image: (H, W, 3) uint8.
        landmarks: (68, 2) px.
        size: side of the crop, pixels.

    Returns:
        uint8 (size, size, 3) on the CPU, and the transform with one row.

    Raises:
        ValueError: if the arguments are no image and no 68 points, or the points span no face.
    """
    check_frames("image", image[None])
    check_landmarks("landmarks", landmarks[None])
    points = landmarks.detach().cpu()[None].double()
    quad = face_crop_quad(points)[0].numpy()
    side = float(np.hypot(*(quad[3] - quad[0])))
    if not side >= MIN_SQUARE_PX:
        raise ValueError(
            f"Expected landmarks that span a face, received a face square of {side:.3g} px; use a larger image or "
            f"check the landmarks."
        )
    transform = crop_transform(points, size)
    return _cut_quad(image, quad, size), CropTransform(transform.matrix.float(), size)


def cut_crop(image: Tensor, crop: CropTransform, size: int) -> Tensor:
    """The image inside a crop as `align_face` cuts it, at any size.

    Args:
        image: (H, W, 3) uint8.
        crop: one row, a square of the image, as `align_face` or a face reader gives it.
        size: side of the result, pixels.

    Returns:
        uint8 (size, size, 3) on the CPU.
    """
    return _cut_quad(image, _quad_of(crop), size)


def blurred_share(image: Tensor, crop: CropTransform, size: int) -> Tensor:
    """How far `cut_crop` blurs an image into its padding; padding reaches into the image by a third of its width.

    Args:
        image, crop, size: as there.

    Returns:
        (size, size) float: 0 where the result shows the image as it is, 1 in the padding.
    """
    image, quad, side = _near_quad(image.cpu().numpy(), _quad_of(crop), size)
    widths = _padding_widths(image.shape[:2], quad, side)
    if widths is None:
        return torch.zeros(size, size)
    before, after = widths
    depth = _padding_depth((image.shape[0] + before[1] + after[1], image.shape[1] + before[0] + after[0]), *widths)
    return torch.from_numpy(np.array(_transform(Image.fromarray(_blur_weight(depth)[..., 0]), quad + before, size)))


def _quad_of(crop: CropTransform) -> np.ndarray:
    """Corners (4, 2) of a crop in its image, in the order of `face_crop_quad`."""
    first, last = -0.5, crop.size - 0.5  # outer edges of the outer pixels
    corners = torch.tensor([[[first, first], [first, last], [last, last], [last, first]]], dtype=torch.float64)
    return transform_points(invert_transform(crop.matrix.detach().cpu().double()), corners)[0].numpy()


def _cut_quad(image: Tensor, quad: np.ndarray, size: int) -> Tensor:
    """Image uint8 (size, size, 3) inside the square with corners (4, 2) in the order of `face_crop_quad`."""
    image, quad = _pad(*_near_quad(image.cpu().numpy(), quad, size))
    return torch.from_numpy(np.array(_transform(Image.fromarray(image), quad, size)))


def _near_quad(image: np.ndarray, quad: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, float]:
    """What lies near the square, reduced where that is much larger than the result; the square there, and its side."""
    image, quad, side = _shrink(image, quad, float(np.hypot(*(quad[3] - quad[0]))), size)
    return *_cut(image, quad, side), side


def _transform(image: Image.Image, quad: np.ndarray, size: int) -> Image.Image:
    corners = (quad + 0.5).flatten().tolist()
    return image.transform((size, size), Image.Transform.QUAD, corners, Image.Resampling.BILINEAR)


def _quad_to_transform(quad: Tensor, size: int) -> CropTransform:
    """Rows of the map are the square's sides, scaled; crop pixel k is centred (k + 0.5) / size along a side."""
    side_x, side_y = quad[:, 3] - quad[:, 0], quad[:, 1] - quad[:, 0]
    squared = side_x.square().sum(-1)[:, None, None]
    linear = torch.stack([side_x, side_y], dim=1) * (size / squared)
    shift = -linear @ quad[:, 0, :, None] - 0.5
    return CropTransform(torch.cat([linear, shift], dim=-1), size)


def _shrink(image: np.ndarray, quad: np.ndarray, side: float, size: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Antialiased reduction by a whole factor, so that the square is less than twice the crop's side."""
    factor = math.floor(side / size)
    if factor < 2 or max(image.shape[:2]) <= size:
        return image, quad, side
    height, width = (max(round(length / factor), 1) for length in image.shape[:2])
    small = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
    corners = resize_points(torch.from_numpy(quad).double(), image.shape[:2], (height, width))
    return np.array(small), corners.numpy(), side / factor


def _bounds(quad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole-pixel lower and upper corner (x, y) of the box around the square."""
    return np.floor(quad.min(0)).astype(int), np.ceil(quad.max(0)).astype(int)


def _border(side: float) -> int:
    return max(int(np.rint(side * BORDER_FRACTION)), 3)


def _cut(image: np.ndarray, quad: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Drop what lies far from the square."""
    low, high = _bounds(quad)
    low = np.maximum(low - _border(side), 0)
    high = np.minimum(high + _border(side), (image.shape[1], image.shape[0]))
    return image[low[1] : high[1], low[0] : high[0]], quad - low


def _pad(image: np.ndarray, quad: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Mirror, blur and fade to the median where the square leaves the image."""
    padding = _padding_widths(image.shape[:2], quad, side)
    if padding is None:
        return image, quad
    before, after = padding
    widths = ((before[1], after[1]), (before[0], after[0]), (0, 0))
    padded = np.pad(image.astype(np.float32), widths, "reflect")
    depth = _padding_depth(padded.shape[:2], before, after)
    blurred = gaussian_blur(padded, side * BLUR_FRACTION)
    padded += (blurred - padded) * _blur_weight(depth)
    padded += (np.median(padded, axis=(0, 1)) - padded) * np.clip(depth, 0.0, 1.0)
    return np.clip(np.rint(padded), 0, 255).astype(np.uint8), quad + before


def _padding_widths(shape: tuple[int, int], quad: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Px (x, y) of padding before and after an image (height, width); None where it needs none."""
    border = _border(side)
    low, high = _bounds(quad)
    before = np.maximum(border - low, 0)
    after = np.maximum(high - (shape[1], shape[0]) + border, 0)
    if max(before.max(), after.max()) <= border - 4:
        return None
    least = int(np.rint(side * PADDING_FRACTION))
    return np.maximum(before, least), np.maximum(after, least)


def _blur_weight(depth: np.ndarray) -> np.ndarray:
    """How far an image is blurred at a depth, see `_padding_depth`."""
    return np.clip(depth * 3.0 + 1.0, 0.0, 1.0)


def _padding_depth(shape: tuple[int, int], before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(H, W, 1) float32: 1 at the padded image's border, 0 at the original border, negative inside."""
    depths = []
    for axis, length in ((1, shape[1]), (0, shape[0])):
        position = np.arange(length, dtype=np.float32)
        x_or_y = 1 - axis
        depth = 1.0 - np.minimum(position / np.float32(before[x_or_y]), position[::-1] / np.float32(after[x_or_y]))
        depths.append(depth[None, :, None] if axis == 1 else depth[:, None, None])
    return np.maximum(depths[0], depths[1])


def gaussian_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur (H, W, C) float32 along both axes; borders mirrored with the border pixel repeated.

    Equal to `scipy.ndimage.gaussian_filter(image, (sigma, sigma, 0))`.
    """
    radius = int(BLUR_TRUNCATE * sigma + 0.5)
    positions = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (positions / sigma) ** 2)
    kernel = torch.from_numpy(kernel / kernel.sum()).float()[None, None, :, None]
    for _ in range(2):  # rows, then columns: each pass swaps the axes
        widened = np.pad(image, ((radius, radius), (0, 0), (0, 0)), "symmetric")
        planes = torch.from_numpy(widened).permute(2, 0, 1)[:, None]
        blurred = torch.nn.functional.conv2d(planes, kernel)[:, 0]
        image = blurred.permute(2, 1, 0).numpy()
    return image
