"""Metrics of identity embeddings: likeness to a person (CSIM, closeness) and steadiness over a clip (TL-ID, TG-ID).

Embeddings are those of a face recognition network (the paper's: ArcFace) and need not have unit length.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_same_shape


def csim(embeddings: Tensor, truth: Tensor) -> Tensor:
    """Cosine of the angle between the identity of an image and that of the truth; higher is better.

    Self reenactment: against the target frame; cross-subject: against the source (paper, section 4.2).

    Args:
        embeddings: (B, D).
        truth: (B, D).

    Returns:
        (B,) in [-1, 1]; 1 for the same identity.

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape("the embeddings", embeddings, "those of the truth", truth)
    return F.cosine_similarity(embeddings, truth, dim=-1)


def closeness(embeddings: Tensor, truth: Tensor) -> Tensor:
    """1 - Euclidean distance of the identities of an image and of the truth; higher is better.

    It stands in for `csim` with networks that are trained to be compared by distance, such as dlib's: there, two images
    of a person have about 0.7, of two people about 0.2. The figures of the two do not compare.

    Args:
        embeddings: (B, D).
        truth: (B, D).

    Returns:
        (B,) at most 1, for the same embedding.

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape("the embeddings", embeddings, "those of the truth", truth)
    return 1.0 - (embeddings - truth).norm(dim=-1)


def tl_id(embeddings: Tensor, truth: Tensor) -> Tensor:
    """Temporally local identity: the mean over neighbouring frames of cos(e_f, e_f+1) / cos(t_f, t_f+1).

    Higher is better; 1 is as steady as the real clip. Source: Tzaban et al. 2022 (Stitch it in Time), which divides
    each pair by the same pair of the real video, then averages.

    Args:
        embeddings: (F, D) of the frames of one generated clip, in order.
        truth: (F, D) of the same frames of the real clip.

    Returns:
        Scalar, no fixed range, near 1.

    Raises:
        ValueError: if the shapes differ, or there are fewer than two frames.
    """
    ratio = _relative_similarity(embeddings, truth)
    return ratio.diagonal(offset=1).mean()


def tg_id(embeddings: Tensor, truth: Tensor) -> Tensor:
    """Temporally global identity: as `tl_id`, over all pairs of different frames of the clip; higher is better.

    Args:
        embeddings: (F, D) of the frames of one generated clip.
        truth: (F, D) of the same frames of the real clip.

    Returns:
        Scalar, no fixed range, near 1.

    Raises:
        ValueError: if the shapes differ, or there are fewer than two frames.
    """
    ratio = _relative_similarity(embeddings, truth)
    first, second = torch.triu_indices(len(ratio), len(ratio), offset=1, device=ratio.device)
    return ratio[first, second].mean()


def _relative_similarity(embeddings: Tensor, truth: Tensor) -> Tensor:
    """(F, F): cosine of each pair of frames over that of the same pair of the real clip."""
    check_same_shape("the embeddings", embeddings, "those of the real clip", truth)
    if embeddings.ndim != 2 or len(embeddings) < 2:
        raise ValueError(
            f"Expected embeddings (F, D) of one clip of at least two frames, received {tuple(embeddings.shape)}; "
            f"give all frames of the clip at once."
        )
    return _cosines(embeddings) / _cosines(truth)


def _cosines(embeddings: Tensor) -> Tensor:
    unit = F.normalize(embeddings, dim=-1)
    return unit @ unit.T
