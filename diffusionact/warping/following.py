"""Lets a motion follow landmarks that were seen in frames of the same person.

Coefficients know a face only roughly: a fit shares out between size, distance and identity what it sees, and 52 values
do not tell one person's lids and lips from another's. Where landmarks of the very person are at hand, as in self
reenactment, the head is first placed on them as a whole; what is left is spread over the face as smoothly as can be.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ..face.geometry.rotations import axis_angle_to_matrix
from .lips import keep_lips_apart
from .placement import mesh_to_plane
from .topology import EYE_RINGS, IRISES, NUM_FACE, NUM_MESH, SKIN, load_topology
from .values import HeadPlacement, WarpMotion, WarpSource

# Landmarks that no expression moves much: temples and jaw angles, nose, corners of the eyes.
STEADY = (0, 1, 2, 3, 13, 14, 15, 16, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 39, 42, 45)
# Standard deviations for placing a head: of a landmark, cm; of a turn that landmarks ask for beyond the coefficients',
# rad.
LANDMARK_SIGMA_CM, TURN_SIGMA_RAD = 0.15, 0.03
PLACING_ROUNDS = 3
# Weights of the landmarks, of stretching and of moving at all against bending, when displacements are spread.
EXACTNESS, STRETCHING, MOVING = 30.0, 0.02, 1e-4


def follow_landmarks(source: WarpSource, motion: WarpMotion, landmarks: Tensor, pupils: Tensor) -> WarpMotion:
    """Correct a motion so that its landmarks lie where they were seen.

    Args:
        source: made ready.
        motion: F rows.
        landmarks: (F, 68, 2) aligned px.
        pupils: (F, 2, 2) aligned px, the subject's right eye first.
    """
    matrix = load_topology(source.device).landmark_matrix
    wanted, irises = (_on_plane(points.to(source.shape)) for points in (landmarks, pupils))
    placement = _placed_on(motion.placement, matrix @ (source.shape + motion.change), wanted)
    missing = wanted - (matrix @ placement.place(source.shape + motion.change))[..., :2]
    change = motion.change + _spread_weights(source.device) @ _to_head(placement, missing)
    change = keep_lips_apart(source.shape, change)
    centres = [iris[0] for iris in IRISES]
    aside = irises - placement.place(source.shape + change)[:, centres, :2]
    for eye, iris in enumerate(IRISES):
        change[:, list(iris)] += _to_head(placement, aside[:, eye : eye + 1])
    return WarpMotion(placement, change)


def _on_plane(points: Tensor) -> Tensor:
    """Aligned px (F, K, 2) on the plane."""
    return mesh_to_plane(torch.cat([points, torch.zeros_like(points[..., :1])], dim=-1))[..., :2]


def _to_head(placement: HeadPlacement, plane: Tensor) -> Tensor:
    """Displacements (F, K, 2) on the plane as displacements (F, K, 3) in head space, none of them in depth."""
    return plane / placement.scale[:, None, None] @ placement.rotation[:, :2]


def _placed_on(placement: HeadPlacement, marks: Tensor, wanted: Tensor) -> HeadPlacement:
    """Turn, scale and shift heads so that their steady landmarks (F, 68, 3) cm come to lie on the wanted (F, 68, 2).

    Gauss-Newton; turns beyond those of the placement cost as much as landmarks that are missed.
    """
    marks, wanted = marks[:, list(STEADY)], wanted[:, list(STEADY)]
    first = placement
    turned = marks.new_zeros(len(marks), 3)
    for _ in range(PLACING_ROUNDS):
        placed = placement.place(marks)
        arm = (placed - placement.shift[:, None]) / placement.scale[:, None, None]  # cm, turned
        x, y, z = arm.unbind(-1)
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        # By turns about x, y and z, by the scale (relative), and by shifts (cm): x and y of each landmark, cm.
        across = torch.stack([zero, z, -y, x, one, zero], dim=-1)
        down = torch.stack([-z, zero, x, y, zero, one], dim=-1)
        design = torch.cat([across, down], dim=1) / LANDMARK_SIGMA_CM
        miss = (wanted - placed[..., :2]) / placement.scale[:, None, None] / LANDMARK_SIGMA_CM
        miss = torch.cat([miss[..., 0], miss[..., 1]], dim=1)
        prior = marks.new_tensor([1, 1, 1, 0, 0, 0]) / TURN_SIGMA_RAD**2
        held = torch.cat([turned, torch.zeros_like(turned)], dim=1) * prior
        normal = design.transpose(1, 2) @ design + torch.diag(prior)
        step = torch.linalg.solve(normal, (design.transpose(1, 2) @ miss[..., None])[..., 0] - held)
        turned = turned + step[:, :3]
        shift = torch.cat([step[:, 4:], torch.zeros_like(step[:, :1])], dim=1) * placement.scale[:, None]
        placement = HeadPlacement(
            axis_angle_to_matrix(turned) @ first.rotation,
            placement.scale * step[:, 3].exp(),
            placement.shift + shift,
        )
    return placement


@lru_cache(maxsize=4)
def _spread_weights(device: torch.device) -> Tensor:
    """(478, 68) displacement of every mesh point for displacements of the landmarks, bending the skin least.

    Lids and lips are edges: what one lid does does not pass to the other through the eye.
    """
    topology = load_topology(device)
    faces = topology.faces[: topology.num_face_triangles]
    faces = faces[topology.labels[: topology.num_face_triangles] == SKIN]
    joined = torch.zeros(NUM_FACE, NUM_FACE, device=device, dtype=torch.float64)
    for first, second in ((0, 1), (1, 2), (2, 0)):
        joined[faces[:, first], faces[:, second]] = joined[faces[:, second], faces[:, first]] = 1.0
    degree = joined.sum(1)
    stretching = torch.diag(degree) - joined
    bending = stretching / degree[:, None].clamp(min=1)
    matrix = topology.landmark_matrix[:, :NUM_FACE].double()
    energy = bending.T @ bending + STRETCHING * stretching + MOVING * torch.eye(NUM_FACE, device=device)
    spread = torch.linalg.solve(energy + EXACTNESS * matrix.T @ matrix, EXACTNESS * matrix.T)
    weights = torch.zeros(NUM_MESH, len(matrix), device=device)
    weights[:NUM_FACE] = spread.float()
    for ring, iris in zip(EYE_RINGS, IRISES, strict=True):
        weights[list(iris)] = weights[[ring[0], ring[8]]].mean(0)
    return weights
