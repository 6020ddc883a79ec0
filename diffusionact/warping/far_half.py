"""The far half of a face that a photo shows turned: it was seen from aside while the other half was seen well."""

from __future__ import annotations

import torch
from torch import Tensor

from .confidence import face_normals
from .sampling import smoothstep
from .topology import Topology

# Turn of the photo's head, degrees, over which one half becomes the far one.
PHOTO_TURN_DEG = (4.0, 10.0)
# Beyond these the photo shows half a face, and the mesh guesses where the rest lies.
PROFILE_DEG = (46.0, 36.0)
# The far half begins between these distances from the middle of the face, cm.
FAR_CM = (1.0, 3.5)
# Cosine of skin with the view, from seen well to hardly seen.
WELL_SEEN, BARELY_SEEN = 0.65, 0.25


def far_half(rotation: Tensor, points: Tensor) -> Tensor:
    """(N,) 1 for points (N, 3) cm of head space on the far half of a head that a photo shows in a rotation (3, 3)."""
    ray = rotation[2, 0]
    turn = torch.rad2deg(ray.clamp(-1, 1).abs().asin())
    return (
        smoothstep(*PHOTO_TURN_DEG, turn)
        * smoothstep(*PROFILE_DEG, turn)
        * smoothstep(*FAR_CM, -ray.sign() * points[:, 0])
    )


def seen_aside(rotation: Tensor, shape: Tensor, plane: Tensor) -> Tensor:
    """How much the photo shows a face from aside on the far half.

    Args:
        rotation: (3, 3) of the head in the photo.
        shape: (468, 3) cm, head space.
        plane: (468, 3) the same on the plane.

    Returns:
        (468,) in [0, 1]; 0 on all of a face that looks ahead, and of one in profile.
    """
    return (
        far_half(rotation, shape) * no_profile(rotation) * smoothstep(WELL_SEEN, BARELY_SEEN, face_normals(plane)[:, 2])
    )


def no_profile(rotation: Tensor) -> Tensor:
    """() 0 for a photo that shows the head in profile, in a rotation (3, 3)."""
    return smoothstep(*PROFILE_DEG, _turn_deg(rotation[2, 0]))


def _turn_deg(ray: Tensor) -> Tensor:
    return torch.rad2deg(ray.clamp(-1, 1).abs().asin())


def spread(values: Tensor, topology: Topology) -> Tensor:
    """Values (468, C) of the face carried on to neighbours, then averaged with them, so that they have no steps."""
    faces = topology.faces[: topology.num_face_triangles]
    index = faces.flatten()[:, None].expand(-1, values.shape[1])
    most = values[faces].amax(1).repeat_interleave(3, 0)
    values = values.scatter_reduce(0, index, most, "amax")
    mean = values[faces].mean(1).repeat_interleave(3, 0)
    total = torch.zeros_like(values).index_add_(0, faces.flatten(), mean)
    count = torch.zeros_like(values).index_add_(0, faces.flatten(), torch.ones_like(mean))
    return total / count.clamp(min=1)
