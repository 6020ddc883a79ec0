"""The far side of a photo that shows a turned head: ear, hair and jaw line of the near side, mirrored.

What lies beside the far cheek in such a photo is hair or background that only happens to be there; as the head turns
towards the front, that strip would be drawn out. Instead the near side's rings are mirrored in head space and drawn
behind the photo's own surfaces, which give way where they are drawn out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .rasteriser import interpolate, rasterise, value_planes
from .sampling import mix, sample, smoothstep
from .shading import Textures
from .surroundings import spokes
from .topology import NUM_FACE, OVAL, RINGS, SPOKES, Topology
from .values import HeadPlacement, WarpSource
from .view import plane_to_output

# Turn of the photo's head, and turn back from it, degrees, over which the mirrored side fades in.
PHOTO_TURN_DEG, TURN_BACK_DEG = (4.0, 10.0), (2.0, 9.0)
# The far half begins between these distances from the middle of the face, cm.
FAR_CM = (1.5, 4.0)
# Below the face only a strip beside the oval is mirrored, not the shoulder: distances and heights, cm.
STRIP_CM, SHOULDER_CM = (4.0, 2.0), (-6.0, -3.0)
# Share of the head's motion that mirrored rings must have.
MOVING = (0.5, 0.9)
# Magnification of the texture over which the photo's own strip gives way.
GIVE_WAY = (1.15, 1.9)
# Distance from the oval over which the light of the far cheek fades into that of the mirrored side, cm.
LIGHT_FADE_CM = 1.5
HIDDEN_CONFIDENCE = 0.3


@dataclass(frozen=True)
class HiddenSide:
    """Mirrored rings of the far half, K vertices in the order of `topology.py`.

    Attributes:
        faces: (T, 3) their triangles.
        points: (K, 3) cm, head space.
        follow: (K,) share of the oval's displacement.
        values: (N, 6) of all vertices: grid place on the near half (2), strength, change of light (3).
        side: () 1 if the photo hardly shows the subject's right, -1 if the left; its size tells how sure that is.
    """

    faces: Tensor
    points: Tensor
    follow: Tensor
    values: Tensor
    side: Tensor

    @property
    def strength(self) -> Tensor:
        """(N,) how far the mirrored side may replace the photo at each vertex."""
        return self.values[:, 2]


def mirror_rings(vertices: Tensor) -> Tensor:
    """Values (K, *C) of ring vertices, each at the same place of the other half."""
    rings = vertices.view(RINGS, SPOKES, *vertices.shape[1:])
    return rings.flip(1).roll(1, 1).flatten(0, 1)


def find_hidden_side(source: WarpSource, topology: Topology) -> HiddenSide:
    """Mirror the near side of a photo."""
    flip = source.shape.new_tensor([-1.0, 1.0, 1.0])
    oval, follow = list(OVAL), mirror_rings(source.ring_follow)
    far = spokes(source.shape[oval])
    gap = far - mirror_rings(spokes(source.shape[oval]).repeat(RINGS, 1))[:SPOKES] * flip
    points = mirror_rings(source.ring_points) * flip + follow[:, None] * gap.repeat(RINGS, 1)
    away = mirror_rings(_distance(source))
    ray = source.rotation[0, 2]
    side = ray[0].sign() * smoothstep(*PHOTO_TURN_DEG, torch.rad2deg(ray[0].abs().asin()))
    beside = torch.maximum(smoothstep(*STRIP_CM, away), smoothstep(*SHOULDER_CM, points[:, 1]))
    moving = smoothstep(*MOVING, mirror_rings(source.weight[NUM_FACE:]))
    near = mirror_rings(source.positions[NUM_FACE:])
    shown = sample(source.inside, near)[0].clamp(0, 1)
    half = smoothstep(*FAR_CM, -side.sign() * far[:, 0]).repeat(RINGS)
    strength = beside * moving * shown * half * side.abs()
    light = sample(source.skin_light, spokes(source.positions[oval])).T
    change = (light - mirror_rings(light.repeat(RINGS, 1))[:SPOKES]).repeat(RINGS, 1)
    change = change * (-(away / LIGHT_FADE_CM).square()).exp()[:, None]
    rings = torch.cat([near, strength[:, None], change], dim=1)
    face = rings.new_zeros(NUM_FACE, rings.shape[1])
    face[:, :2] = source.positions[topology.mirror]
    face[oval, 2:] = rings[:SPOKES:2, 2:]
    values = torch.cat([face, rings])
    used = (values[:, 2] > 0)[topology.faces].any(1)
    used[: topology.num_face_triangles] = False
    return HiddenSide(topology.faces[used], points, follow, values, side)


def _distance(source: WarpSource) -> Tensor:
    """(K,) cm from the rings to the oval, as the photo shows them."""
    oval = spokes(source.positions[list(OVAL)]).repeat(RINGS, 1)
    to_plane = torch.linalg.det(source.to_grid[:, :2]).abs().sqrt() * 128
    return (source.positions[NUM_FACE:] - oval).norm(dim=1) / to_plane / source.scale


def turned_back(hidden: HiddenSide, source: WarpSource, placement: HeadPlacement) -> Tensor:
    """() in [0, 1], how far the head is turned back from its turn in the photo, so that the hidden side comes out."""
    before, after = (torch.rad2deg(r[0, 2, 0].clamp(-1, 1).asin()) for r in (source.rotation, placement.rotation))
    return smoothstep(*TURN_BACK_DEG, (before - after) * hidden.side.sign()) * (hidden.side != 0)


def draw_hidden_side(
    hidden: HiddenSide,
    textures: Textures,
    screen: Tensor,
    placement: HeadPlacement,
    change: Tensor,
    to_output: Tensor,
    behind: tuple[Tensor, Tensor],
    share: Tensor,
) -> tuple[Tensor, Tensor]:
    """Background with the mirrored side on it.

    Args:
        hidden: made ready.
        textures: of the source.
        screen: (N, 3) px, all vertices of the frame.
        placement: one row.
        change: (478, 3) cm.
        to_output: aligned px -> px of the output.
        behind: (3, H, W) the background and (H, W) its confidence.
        share: () how far the mirrored side has come out.

    Returns:
        (3, H, W) and (H, W).
    """
    background, sure = (part.clone() for part in behind)
    height, width = sure.shape
    moved = hidden.points + hidden.follow[:, None] * spokes(change[list(OVAL)]).repeat(RINGS, 1)
    rings = plane_to_output(placement.place(moved[None])[0], to_output)
    screen = torch.cat([screen[:NUM_FACE], rings])
    triangle = rasterise(screen, hidden.faces, height, width).flatten()
    pixels = (triangle >= 0).nonzero()[:, 0]
    places = torch.stack([pixels % width, pixels // width], dim=-1).float()
    values = interpolate(value_planes(screen, hidden.faces, hidden.values), triangle[pixels], places)
    grid, strength, light = values.split([2, 1, 3], dim=1)
    cover = sample(textures.matte, grid)[0].clamp(0, 1) * strength[:, 0].clamp(0, 1) * share
    colours = sample(textures.colour, grid, "bicubic") + light.T
    background.view(3, -1)[:, pixels] = mix(background.view(3, -1)[:, pixels], colours.clamp(0, 1), cover)
    sure.view(-1)[pixels] = mix(sure.view(-1)[pixels], HIDDEN_CONFIDENCE, cover)
    return background, sure


def giving_way(hidden: HiddenSide, magnified: Tensor, share: Tensor) -> Tensor:
    """(N,) how far the photo's own surface gives way to the mirrored side at each vertex.

    Args:
        hidden: made ready.
        magnified: (N,) magnification of the texture.
        share: () how far the mirrored side has come out.
    """
    return hidden.strength * smoothstep(*GIVE_WAY, magnified) * share
