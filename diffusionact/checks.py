"""Checks for the public doors: every message says what was expected, what came (shape and range) and what to do.

Nothing here repairs a value, and nothing is checked a second time behind the doors.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

# Resampling in half precision may leave [-1, 1] by a rounding error; images in 0..255 or 0..1 are off by far more.
RANGE_TOLERANCE = 1e-3


def describe(tensor: Tensor) -> str:
    """Shape, dtype and range of a tensor, for messages."""
    words = f"shape {tuple(tensor.shape)}, {str(tensor.dtype).removeprefix('torch.')}"
    if tensor.numel() == 0 or tensor.is_complex():
        return words
    low, high = torch.aminmax(tensor.detach())
    return f"{words}, range [{low.item():.6g}, {high.item():.6g}]"


def check_images(name: str, images: Tensor) -> None:
    """Raise ValueError unless `images` is (B, 3, H, W) float in [-1, 1], finite, with at least one image."""
    right_shape = images.ndim == 4 and images.shape[1] == 3 and images.numel() > 0
    if not right_shape or not images.is_floating_point():
        raise ValueError(
            f"Expected {name} as (B, 3, H, W) float in [-1, 1], received {describe(images)}; convert frames with "
            f"images.uint8_to_model or ComfyUI images with images.unit_to_model."
        )
    check_finite(name, images)
    if images.detach().abs().max() > 1.0 + RANGE_TOLERANCE:
        raise ValueError(
            f"Expected {name} in [-1, 1], received {describe(images)}; convert the range with images.uint8_to_model or "
            f"images.unit_to_model first."
        )


def check_frames(name: str, frames: Tensor) -> None:
    """Raise ValueError unless `frames` is (F, H, W, 3) uint8 with at least one frame."""
    right_shape = frames.ndim == 4 and frames.shape[3] == 3 and frames.numel() > 0
    if not right_shape or frames.dtype != torch.uint8:
        raise ValueError(
            f"Expected {name} as frames (F, H, W, 3) uint8 RGB, received {describe(frames)}; convert model images with "
            f"images.model_to_uint8 or add a frame axis with frame[None]."
        )


def check_landmarks(name: str, landmarks: Tensor) -> None:
    """Raise ValueError unless `landmarks` is (B, 68, 2) float pixels, finite."""
    if landmarks.ndim != 3 or tuple(landmarks.shape[1:]) != (68, 2) or not landmarks.is_floating_point():
        raise ValueError(
            f"Expected {name} as (B, 68, 2) float pixels in iBUG-68 order, received {describe(landmarks)}; pass the "
            f"landmarks of a tracker or add a batch axis with landmarks[None]."
        )
    check_finite(name, landmarks)


def check_finite(name: str, tensor: Tensor) -> None:
    """Raise ValueError if `tensor` holds NaN or infinite values."""
    finite = torch.isfinite(tensor)
    if not finite.all():
        bad = int((~finite).sum())
        raise ValueError(
            f"Expected {name} to be finite, received {describe(tensor)} with {bad} of {tensor.numel()} values NaN or "
            f"infinite; look at the step that made it, and try float32 if it ran in half precision."
        )


def check_same_shape(name: str, tensor: Tensor, other_name: str, other: Tensor) -> None:
    """Raise ValueError unless two tensors have one shape; a comparison would else be spread over an axis in silence."""
    if tensor.shape != other.shape:
        raise ValueError(
            f"Expected {name} and {other_name} in one shape, received {tuple(tensor.shape)} and {tuple(other.shape)}; "
            f"compare item by item, of the same size."
        )


def check_positive_int(name: str, value: int) -> None:
    """Raise ValueError unless `value` is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"Expected {name} to be a whole number above 0, received {value!r}; pass a positive int.")


def check_in_range(name: str, value: float, minimum: float, maximum: float) -> None:
    """Raise ValueError unless `minimum <= value <= maximum`; NaN is refused."""
    if not minimum <= value <= maximum:
        raise ValueError(
            f"Expected {name} in [{minimum}, {maximum}], received {value!r}; choose a value between these limits."
        )


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        known = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"Expected {name} to be one of {known}, received {value!r}; choose one of these.")
