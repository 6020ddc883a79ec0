"""Put reenacted faces back into the full image: inverse warp, feathered mask, optional match of colours."""

from __future__ import annotations

import math
from dataclasses import replace

import kornia
import torch
from torch import Tensor

from .. import images
from ..checks import check_frames, check_images, check_in_range
from ..types import CropTransform
from .geometry.alignment import compose_transforms, invert_transform, transform_points
from .geometry.resize import resize_crop, resize_transform

# Shares of the crop's side: left out at its edge, where resampling meets the outside; radius of the mask's corners.
MARGIN_FRACTION = 0.01
CORNER_FRACTION = 0.25
MIN_DEVIATION = 1e-3  # of a colour channel, below which its contrast is left alone


def paste_back(
    full_frame: Tensor,
    reenacted: Tensor,
    crop: CropTransform,
    feather: float = 0.1,
    match_colour: bool = False,
    mask: Tensor | None = None,
) -> Tensor:
    """Lay reenacted crops over the images they were cut from.

    Args:
        full_frame: (H, W, 3) or (F, H, W, 3) uint8; one image serves all crops.
        reenacted: (F, 3, S, S) in [-1, 1]; S need not be the crop's size.
        crop: full image -> crop, one row or F rows.
        feather: width of the soft border, share of the crop's side, 0 to 0.5.
        match_colour: give each crop the mean and deviation of the original's colours (CIE Lab, under the mask).
        mask: (F or 1, 1, S, S) in [0, 1], further restricts what is pasted, such as a face's outline.

    Returns:
        (F, H, W, 3) uint8 on the device of `reenacted`.

    Raises:
        ValueError: if a shape, a range or the number of frames does not fit.
    """
    frames = full_frame[None] if full_frame.ndim == 3 else full_frame
    check_frames("full_frame", frames)
    check_images("reenacted", reenacted)
    check_in_range("feather", feather, 0.0, 0.5)
    count, size = len(reenacted), reenacted.shape[-1]
    if len(frames) not in (1, count) or len(crop.matrix) not in (1, count):
        raise ValueError(
            f"Expected one image and one crop transform, or {count} of each for {count} reenacted frames, received "
            f"{len(frames)} images and {len(crop.matrix)} transforms; pass matching clips."
        )
    frames = frames.to(reenacted.device).expand(count, -1, -1, -1)
    matrix = resize_crop(crop, size).matrix.to(reenacted).expand(count, -1, -1)
    alpha = rounded_mask(size, feather, reenacted.device).expand(count, -1, -1, -1)
    if mask is not None:
        alpha = alpha * mask.to(reenacted)
    if match_colour:
        original = _warp(images.uint8_to_model(frames), matrix, (size, size))
        reenacted = match_colours(reenacted, original, alpha)
    return _blend(frames, reenacted, alpha, invert_transform(matrix))


def shrunk_source(image: Tensor, crop: CropTransform, longest_px: int) -> tuple[Tensor, CropTransform]:
    """Shrink an image uint8 (H, W, 3) to a longest side, and the crop transform with it."""
    scale = longest_px / max(image.shape[:2])
    if scale >= 1.0:
        return image, crop
    height, width = (max(2, round(side * scale)) for side in image.shape[:2])
    small = images.model_to_uint8(images.resize(images.uint8_to_model(image[None]), (height, width)))[0]
    shrink = resize_transform(tuple(image.shape[:2]), (height, width)).to(crop.matrix)
    return small, replace(crop, matrix=compose_transforms(crop.matrix, invert_transform(shrink)))


def rounded_mask(size: int, feather: float, device: torch.device) -> Tensor:
    """(1, 1, size, size) in [0, 1]: a square with round corners whose border falls off over `feather` of its side."""
    position = (torch.arange(size, device=device, dtype=torch.float32) + 0.5) / size - 0.5
    half = 0.5 - MARGIN_FRACTION
    beyond = position.abs() - (half - CORNER_FRACTION)  # of the square that the corners are rounded around
    outside = torch.hypot(beyond.clamp(min=0.0)[:, None], beyond.clamp(min=0.0)[None, :])
    inside = torch.maximum(beyond[:, None], beyond[None, :]).clamp(max=0.0)
    depth = CORNER_FRACTION - outside - inside  # distance from the mask's border, positive within it
    share = (depth / max(feather, 1.0 / size)).clamp(0.0, 1.0)
    return (share * share * (3.0 - 2.0 * share))[None, None]


def match_colours(faces: Tensor, originals: Tensor, weights: Tensor) -> Tensor:
    """Shift and stretch the colours of faces to the originals' mean and standard deviation in CIE Lab.

    Source: Reinhard et al., "Color Transfer between Images", 2001, with Lab in place of their l-alpha-beta.

    Args:
        faces: (F, 3, S, S) in [-1, 1].
        originals: the same.
        weights: (F, 1, S, S), where colours are measured.

    Returns:
        (F, 3, S, S) in [-1, 1].
    """
    lab, wanted = (kornia.color.rgb_to_lab(((x + 1.0) / 2.0).clamp(0.0, 1.0)) for x in (faces, originals))
    mean, deviation = _weighted_moments(lab, weights)
    wanted_mean, wanted_deviation = _weighted_moments(wanted, weights)
    contrast = torch.where(deviation > MIN_DEVIATION, wanted_deviation / deviation, torch.ones_like(deviation))
    matched = kornia.color.lab_to_rgb((lab - mean) * contrast + wanted_mean)
    return matched.clamp(0.0, 1.0) * 2.0 - 1.0


def _weighted_moments(values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    total = weights.sum((2, 3), keepdim=True).clamp(min=1e-6)
    mean = (weights * values).sum((2, 3), keepdim=True) / total
    variance = (weights * (values - mean).square()).sum((2, 3), keepdim=True) / total
    return mean, variance.sqrt()


def _blend(frames: Tensor, crops: Tensor, alpha: Tensor, to_full: Tensor) -> Tensor:
    """Mix crops into frames (F, H, W, 3) uint8; pixels that no crop reaches stay as they are.

    Colours are premultiplied by the mask before the warp, so that none bleeds in from beyond it.
    """
    low, high = _reach(to_full, crops.shape[-1], frames.shape[1], frames.shape[2])
    blended = frames.clone()
    if (high <= low).any():
        return blended
    (left, top), (right, bottom) = low.tolist(), high.tolist()
    to_region = torch.cat([to_full[..., :2], to_full[..., 2:] - low.to(to_full)[:, None]], dim=-1)
    warped = _warp(torch.cat([crops * alpha, alpha], dim=1), to_region, (bottom - top, right - left))
    region = images.uint8_to_model(frames[:, top:bottom, left:right])
    mixed = region * (1.0 - warped[:, 3:]) + warped[:, :3]
    blended[:, top:bottom, left:right] = images.model_to_uint8(mixed)
    return blended


def _reach(to_full: Tensor, size: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Whole-pixel box (left, top), (right, bottom) of all crops in the full image; empty if they lie beside it."""
    corners = to_full.new_tensor([[0.0, 0.0], [size, 0.0], [0.0, size], [size, size]]) - 0.5
    placed = transform_points(to_full, corners[None]).flatten(0, 1)
    limit = torch.tensor([width, height])
    low = placed.amin(0).floor().cpu().long().clamp(min=0)
    high = placed.amax(0).ceil().cpu().long() + 1
    return low, torch.minimum(high, limit)


def _warp(layers: Tensor, matrix: Tensor, height_width: tuple[int, int]) -> Tensor:
    """Move layers (F, C, H, W) by affine maps (F, 2, 3) of pixel centres; zeros outside; blurred before shrinking."""
    shrink = float(torch.det(matrix[:, :, :2]).abs().sqrt().min())
    if shrink < 1.0:
        # Bilinear sampling misses pixels once they move closer together: blur them into each other beforehand.
        sigma = 0.5 * math.sqrt(1.0 / shrink**2 - 1.0)
        kernel_size = 2 * math.ceil(3.0 * sigma) + 1
        if kernel_size // 2 < min(layers.shape[-2:]):
            layers = kornia.filters.gaussian_blur2d(layers, (kernel_size, kernel_size), (sigma, sigma))
    return kornia.geometry.warp_affine(layers, matrix, height_width, align_corners=True)
