"""A term of ours beside the paper's: small parts of the face, which the mean over all pixels hardly sees."""

from __future__ import annotations

from torch import Tensor

from ..checks import check_same_shape


def detail_loss(reenacted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Squared error inside a mask: for each image the mean of m (r - t)^2 over its mask, then the mean of them all.

    Not of the paper: eyes and lips are a few hundredths of a small image, so gaze and blinks weigh next to nothing
    in its pixel loss.

    Args:
        reenacted: (B, 3, H, W) in [-1, 1].
        target: the same shape and range.
        mask: (B, 1, H, W) in [0, 1], 1 where the eyes and the mouth of the target are.

    Returns:
        Scalar, at least 0; 0 for equal images or an empty mask.

    Raises:
        ValueError: if the images' shapes differ.
    """
    check_same_shape("the reenacted images", reenacted, "the targets", target)
    area = mask.sum(dim=(1, 2, 3)).clamp(min=1.0) * reenacted.shape[1]
    return ((mask * (reenacted - target).square()).sum(dim=(1, 2, 3)) / area).mean()
