"""Eye and mouth losses: how far eyes and mouth are open, by pairs of landmarks across them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..checks import check_same_shape

# Pairs of iBUG-68 landmarks. Source: the authors' training code (stylegan_directions_face_reenactment).
EYE_PAIRS = ((36, 39), (37, 41), (38, 40), (42, 45), (43, 47), (44, 46))
MOUTH_PAIRS = (
    (48, 54), (49, 59), (50, 58), (51, 57), (52, 56), (53, 55), (60, 64), (61, 67), (62, 66), (63, 65),
)  # fmt: skip


def eye_loss(reenacted: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the eyes' extents along x and y.

    Args:
        reenacted: (B, 68, 2) px of a 224 px face crop.
        target: the same shape and frame.

    Returns:
        Scalar in pixels, at least 0.

    Raises:
        ValueError: if the shapes differ.
    """
    return _extent_loss(reenacted, target, EYE_PAIRS)


def mouth_loss(reenacted: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the mouth's extents along x and y; see `eye_loss`."""
    return _extent_loss(reenacted, target, MOUTH_PAIRS)


def _extent_loss(reenacted: Tensor, target: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    check_same_shape("the reenacted landmarks", reenacted, "the target landmarks", target)
    first, second = (list(ends) for ends in zip(*pairs, strict=True))
    extents = [(points[:, first] - points[:, second]).abs() for points in (reenacted, target)]
    return (extents[0] - extents[1]).abs().mean()
