"""Full-resolution detail for any engine: its frames enlarged, with the fine detail of the warped photo.

Low frequencies come from the engine, and so does everything where the warp is not sure.
result = E + c ((W - low(W)) - (E - low(E))), with E the enlarged frame, W the warped photo, c the confidence, and low()
the frequencies that the engine's frame really shows, made by shrinking and enlarging again. Where W disagrees with E at
that scale, c falls.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_images
from .sampling import smoothstep

# Confidence below the first number adds nothing, above the second everything.
MIN_CONFIDENCE, MAX_CONFIDENCE = 0.3, 0.8
# Difference of the low frequencies, in [0, 2], from which warp and engine show different things at a place.
SAME_COLOUR, OTHER_COLOUR = 0.08, 0.30
# Detail next to low confidence fades over this share of the output's side.
FADE_SHARE = 1 / 128


# A band of frequencies counts as shown by the engine if its frames hold this share of what the photo has there; the
# side at which frames are split is not halved below the last.
SHOWN_SHARE = 0.6
MIN_SPLIT = 32


def split_side(frames: Tensor, warped: Tensor, confidence: Tensor) -> int:
    """The side of images up to which frames show as much as the photo: less than their own where they are soft.

    Args:
        frames, warped, confidence: as in `add_detail`.
    """
    side = frames.shape[-1]
    while side // 2 >= MIN_SPLIT:
        sure = _shrink(confidence, side) > MAX_CONFIDENCE
        shown, wanted = _band(frames, side), _band(warped, side)
        # Only what both show at the same place counts: noise of the frames does not.
        if (shown * wanted * sure).sum() >= SHOWN_SHARE * (wanted.square() * sure).sum():
            break
        side //= 2
    return side


def add_detail(frames: Tensor, warped: Tensor, confidence: Tensor, split: int | None = None) -> Tensor:
    """An engine's frames at the warp's size, with the warp's fine detail.

    Args:
        frames: (F, 3, h, w) in [-1, 1], the engine's aligned crops.
        warped: (F, 3, H, W) in [-1, 1], the warped photo of the same crops; not smaller than the frames.
        confidence: (F, 1, H, W) in [0, 1].
        split: side of images with the frequencies that stay the engine's, see `split_side`; None is the frames' own.

    Returns:
        (F, 3, H, W) in [-1, 1].

    Raises:
        ValueError: if the shapes do not belong together or the warp is smaller than the frames.
    """
    check_images("frames", frames)
    check_images("warped", warped)
    size, low_size = warped.shape[2:], frames.shape[2:]
    if len(frames) != len(warped) or confidence.shape != (len(warped), 1, *size) or size[0] < low_size[0]:
        raise ValueError(
            f"Expected as many warped images, with a confidence each, as frames and of at least their size, received "
            f"frames {tuple(frames.shape)}, warped {tuple(warped.shape)}, confidence {tuple(confidence.shape)}; render "
            f"the warp for the same frames at the output's size."
        )
    enlarged = _enlarge(frames, size)
    split = split or low_size[0]
    low, low_frames = _shrink(warped, split), _shrink(frames, split)
    detail = (warped - _enlarge(low, size)) - (enlarged - _enlarge(low_frames, size))
    difference = F.max_pool2d((low - low_frames).abs().amax(1, keepdim=True), 3, stride=1, padding=1)
    agrees = _enlarge(smoothstep(OTHER_COLOUR, SAME_COLOUR, difference), size).clamp(0, 1)
    trust = _worn(smoothstep(MIN_CONFIDENCE, MAX_CONFIDENCE, confidence)) * agrees
    return (enlarged + trust * detail).clamp(-1.0, 1.0)


def _shrink(images: Tensor, side: int) -> Tensor:
    return F.interpolate(images, size=(side, side), mode="bicubic", antialias=True, align_corners=False)


def _band(images: Tensor, side: int) -> Tensor:
    """The upper octave of images (F, C, side, side) that are shrunk to `side`."""
    images = _shrink(images, side)
    return images - _enlarge(_shrink(images, side // 2), images.shape[2:])


def _enlarge(images: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(images, size=tuple(size), mode="bicubic", align_corners=False)


def _worn(trust: Tensor) -> Tensor:
    """Trust (F, 1, H, W) that falls smoothly towards positions without trust."""
    radius = max(1, round(FADE_SHARE * trust.shape[-1]))
    least = -F.max_pool2d(-trust, 2 * radius + 1, stride=1, padding=radius)
    padded = F.pad(least, (radius, radius, radius, radius), mode="replicate")
    return torch.minimum(F.avg_pool2d(padded, 2 * radius + 1, stride=1), trust)
