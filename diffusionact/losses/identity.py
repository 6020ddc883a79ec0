"""Identity loss, Eq. 12."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..checks import check_same_shape


def identity_loss(reenacted: Tensor, target: Tensor) -> Tensor:
    """L_id = 1 - cosine of the angle between the embeddings, averaged over the batch.

    Source: Eq. 12. Network: ArcFace.

    Args:
        reenacted: (B, D) embeddings of any length.
        target: the same shape.

    Returns:
        Scalar in [0, 2]; 0 for embeddings of one direction.

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape("the reenacted identities", reenacted, "the target identities", target)
    return (1.0 - F.cosine_similarity(reenacted, target, dim=-1)).mean()
