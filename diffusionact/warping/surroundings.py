"""What lies around the face oval: hair, ears, neck, shoulders, background, as rings of vertices on spokes.

Their depth is that of a fixed skull, into which the oval's own depth fades; the head's motion fades out beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .placement import mesh_to_plane
from .sampling import smoothstep
from .topology import OVAL, RINGS, SPOKES
from .values import HeadPlacement, WarpSource

# A skull with some hair, head space: centre and radii, cm.
SKULL_CENTRE = (0.0, 2.5, -6.0)
SKULL_RADII = (8.2, 11.5, 11.0)
# Rings lie denser near the oval.
RING_GROWTH = 1.7
# The outermost ring, as a share of the canvas' half diagonal.
REACH = 1.02
# Share of the head's motion: all of it inside this many skull radii, none beyond the second number.
WHOLE_MOTION, NO_MOTION = 1.25, 2.1
# Below the chin, at this height in head space, cm, the neck bends and shoulders stay: each cm counts for so much more.
CHIN_CM, NECK_SHARE = -9.0, 0.5
# The canvas' outer edge stands still, so that the result joins the photo around it: width as a share of its half side.
STILL_BORDER = 0.25
# The oval's depth and displacement fade over these distances, cm.
DEPTH_FADE_CM, CHANGE_FADE_CM = 2.5, 3.0

# Beside the oval, up to these distances, a turning head may draw out skin over what was background.
SKIRT_CM = (0.9, 2.0)
SKIRT_RINGS = RINGS // 2


@dataclass(frozen=True)
class Surroundings:
    """The rings, K vertices in the order of `topology.py`.

    Attributes:
        points: (K, 3) cm, head space.
        aligned: (K, 2) aligned px.
        follow: (K,) share of the oval's displacement.
        weight: (K,) share of the head's motion.
        skirt: (K,) 1 beside the oval, 0 where skin must not be drawn out over the background.
    """

    points: Tensor
    aligned: Tensor
    follow: Tensor
    weight: Tensor
    skirt: Tensor


def spokes(oval: Tensor) -> Tensor:
    """The oval's points (*F, 36, C) and the middles between them (*F, SPOKES, C)."""
    middles = (oval + oval.roll(-1, -2)) / 2
    return torch.stack([oval, middles], dim=-2).flatten(-3, -2)


def surround(mesh: Tensor, shape: Tensor, placement: HeadPlacement, half_side: float) -> Surroundings:
    """Rings around a face.

    Args:
        mesh: (478, 3) aligned px.
        shape: (478, 3) cm, the same in head space.
        placement: one row.
        half_side: of the canvas, aligned px.
    """
    oval = spokes(mesh[list(OVAL)])
    aligned = _ring_places(oval[:, :2], half_side)
    flat = torch.cat([aligned, torch.zeros_like(aligned[..., :1])], dim=-1)
    plane = mesh_to_plane(flat.reshape(1, -1, 3))
    head, silhouette = on_skull(plane, placement)
    ray = placement.rotation[0].T @ head.new_tensor([0.0, 0.0, 1.0])
    cm = (flat[..., :2] - oval[:, :2]).norm(dim=-1) / 128 / placement.scale
    head = head.view(RINGS, SPOKES, 3)
    gap = spokes(shape[list(OVAL)]) @ ray - head @ ray
    head = head + (gap * (-(cm / DEPTH_FADE_CM).square()).exp())[..., None] * ray
    middle = 128 - 0.5
    border = (aligned - middle).abs().amax(-1) / half_side
    below = NECK_SHARE * (CHIN_CM - head[..., 1]).clamp(min=0) / SKULL_RADII[1]
    weight = smoothstep(NO_MOTION, WHOLE_MOTION, silhouette.view(RINGS, SPOKES) + below)
    weight = weight * smoothstep(1.0, 1.0 - STILL_BORDER, border)
    follow = (-(cm / CHANGE_FADE_CM).square()).exp()
    skirt = smoothstep(*reversed(SKIRT_CM), cm)
    return Surroundings(head.flatten(0, 1), aligned.flatten(0, 1), follow.flatten(), weight.flatten(), skirt.flatten())


def between_person(matte: Tensor) -> Tensor:
    """(K,) 1 for the vertices of the rings that have the person farther out on their spoke, of the matte (K,) there."""
    rings = (matte.view(RINGS, SPOKES) > 0.5).float()
    beyond = rings[:SKIRT_RINGS].flip(0).cummax(0).values.flip(0)
    return torch.cat([beyond, torch.zeros_like(rings[SKIRT_RINGS:])]).flatten()


def on_skull(plane: Tensor, placement: HeadPlacement) -> tuple[Tensor, Tensor]:
    """Plane points (1, K, 3) moved along the view onto the skull, (K, 3) cm, and how far out they are.

    The second value (K,) is 1 on the skull's silhouette, smaller inside.
    """
    origin = placement.to_head(plane)[0]
    ray = placement.rotation[0].T @ origin.new_tensor([0.0, 0.0, 1.0])
    centre, radii = origin.new_tensor(SKULL_CENTRE), origin.new_tensor(SKULL_RADII)
    o, d = (origin - centre) / radii, ray / radii
    a, b, c = d @ d, o @ d, o.square().sum(-1) - 1
    silhouette = (c + 1 - b * b / a).clamp(min=0).sqrt()
    ahead = (-b + (b * b - a * c).clamp(min=0).sqrt()) / a
    return origin + ahead[:, None] * ray, silhouette


def skull_normals(source: WarpSource) -> Tensor:
    """(K, 3) unit normals of the skull at the vertices of the rings, head space."""
    points = source.ring_points
    outwards = (points - points.new_tensor(SKULL_CENTRE)) / points.new_tensor(SKULL_RADII).square()
    return outwards / outwards.norm(dim=1, keepdim=True)


def ring_normals(skull: Tensor, follow: Tensor, oval: Tensor, rotation: Tensor) -> Tensor:
    """Normals (K, 3) of the rings: the oval's own beside it, the skull's farther out.

    Args:
        skull: (K, 3) see `skull_normals`.
        follow: (K,) see `WarpSource.ring_follow`.
        oval: (36, 3) normals of the oval's points in the frame.
        rotation: (3, 3) of the head in the frame.
    """
    normal = torch.lerp(skull @ rotation.T, spokes(oval).repeat(RINGS, 1), follow[:, None])
    return normal / normal.norm(dim=1, keepdim=True).clamp(min=1e-9)


def _ring_places(oval: Tensor, half_side: float) -> Tensor:
    """(RINGS, SPOKES, 2) aligned px, from beside the oval (SPOKES, 2) to a circle around the canvas."""
    centre = oval.mean(0)
    away = oval - centre
    angle = torch.atan2(away[:, 1], away[:, 0])
    start = angle[0]
    turned = (angle - start) % (2 * torch.pi)
    # The oval of a turned head may bend back; spokes must not cross.
    turned[0] = 0.0
    turned = torch.cummax(turned, 0).values
    step = torch.linspace(0, 2 * torch.pi * (1 - 1 / SPOKES), SPOKES, device=oval.device)
    turned = 0.8 * turned + 0.2 * step
    direction = torch.stack([(turned + start).cos(), (turned + start).sin()], dim=-1)
    # Where each spoke meets the circle around the canvas' centre.
    from_middle = oval - (128 - 0.5)
    radius = (1.1 * from_middle.norm(dim=-1).amax()).clamp(min=REACH * half_side * 2**0.5)
    along = (from_middle * direction).sum(-1)
    length = -along + (along.square() - from_middle.square().sum(-1) + radius**2).clamp(min=0).sqrt()
    share = (torch.arange(1, RINGS + 1, device=oval.device) / RINGS) ** RING_GROWTH
    return oval + (share[:, None] * length)[..., None] * direction
