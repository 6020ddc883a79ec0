"""The far side of a photo that shows a turned head: ear, hair and jaw line of the near side, mirrored.

What lies beside the far cheek in such a photo is hair or background that only happens to be there; as the head turns
towards the front, that strip would be drawn out. Instead the near side's rings are mirrored in head space and drawn
behind the photo's own surfaces, which give way where they are drawn out, and where the photo shows the face itself in
place of what it hides: that would come out as a second outline of the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .behind import Surface, covering_surface
from .far_half import seen_aside, spread
from .rasteriser import rasterise
from .sampling import sample, smoothstep
from .surroundings import spokes
from .topology import NUM_FACE, OVAL, RINGS, SPOKES, Topology
from .values import HeadPlacement, WarpSource
from .view import plane_to_output

# Turn back from the photo's pose, degrees, over which the mirrored side fades in.
TURN_BACK_DEG = (2.0, 9.0)
# Below the face only a strip beside the oval is mirrored, not the shoulder: distances and heights, cm.
STRIP_CM, SHOULDER_CM = (2.5, 1.2), (-6.0, -3.0)
# Share of the head's motion that mirrored rings must have.
MOVING = (0.5, 0.9)
# Magnification of the texture over which the photo's own strip gives way.
GIVE_WAY = (1.1, 1.7)
# Distance from the oval over which the light of the far cheek fades into that of the mirrored side, cm;
# beside the face, and below it, where the neck lies farther back.
LIGHT_FADE_CM, NECK_FADE_CM = 1.0, 0.35
# Nearer to the oval than this, cm, the strip gives way as the oval does: it may be background seen beside the cheek, or
# the far glass of spectacles. With the turn back, degrees, it grows from the first to the second width.
BESIDE_CM, WIDE_TURN_DEG = (2.0, 5.0), (20.0, 30.0)
# The mirrored side grows outwards from the oval to this distance, cm, with a soft rim of this share of it.
# It does so while the person is cut out of the background by these shares.
WIDEST_CM, GROWTH, CUT_OUT = 8.0, 0.4, (0.5, 1.0)
HIDDEN_CONFIDENCE = 0.3
# The face itself, shown in place of what the far cheek hides, passes for more of this cheek in photos turned by less
# than the first angle, and is a second outline from the second on. Side of the map that tells where it is, px.
TWICE_DEG, SIDE = (15.0, 25.0), 256


@dataclass(frozen=True)
class HiddenSide:
    """Mirrored rings of the far half, K vertices in the order of `topology.py`.

    Attributes:
        faces: (T, 3) their triangles.
        points: (K, 3) cm, head space.
        follow: (K,) share of the oval's displacement.
        values: (N, 6) of all vertices: grid place on the near half (2), strength, change of light (3).
        away: (N,) cm from the oval, 0 on the face.
        double: (N,) share of the face that the photo shows where a ring lies, hidden by the far cheek or the nose.
    """

    faces: Tensor
    points: Tensor
    follow: Tensor
    values: Tensor
    away: Tensor
    double: Tensor

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
    shape = source.shape[:NUM_FACE]
    aside = seen_aside(source.rotation[0], shape, source.placement.place(shape[None])[0])
    on_face = spread(aside[:, None], topology)
    beside = torch.maximum(smoothstep(*STRIP_CM, away), smoothstep(*SHOULDER_CM, points[:, 1]))
    moving = smoothstep(*MOVING, mirror_rings(source.weight[NUM_FACE:]))
    near = mirror_rings(source.positions[NUM_FACE:])
    shown = sample(source.inside, near)[0].clamp(0, 1)
    strength = beside * moving * shown * spokes(on_face[oval])[:, 0].repeat(RINGS)
    here, there = source.positions[:NUM_FACE], source.positions[topology.mirror]
    light = (sample(source.skin_light, here) - sample(source.skin_light, there)).T
    width = NECK_FADE_CM + (LIGHT_FADE_CM - NECK_FADE_CM) * smoothstep(*SHOULDER_CM, points[:, 1])
    faded = spokes(light[oval]).repeat(RINGS, 1) * (-(away / width).square()).exp()[:, None]
    values = torch.cat(
        [
            torch.cat([there, on_face, light], dim=1),
            torch.cat([near, strength[:, None], faded], dim=1),
        ]
    )
    # A contour's pixels look beyond the oval from either side: the skin's triangles at the oval are drawn as well.
    at_oval = torch.isin(topology.faces, topology.faces.new_tensor(oval)).any(1)
    at_oval[topology.num_face_triangles :] = True
    used = (values[:, 2] > 0)[topology.faces].any(1) & at_oval
    away = torch.cat([0 * on_face[:, 0], _distance(source)])
    return HiddenSide(topology.faces[used], points, follow, values, away, _double(source, topology))


def _double(source: WarpSource, topology: Topology) -> Tensor:
    """(N,) how far the photo shows the face itself where a vertex of the rings lies, of a head that is turned."""
    screen = torch.cat([(source.positions + 1) * (SIDE / 2) - 0.5, 0 * source.positions[:, :1]], dim=1)
    face = rasterise(screen, topology.faces[: topology.num_face_triangles], SIDE, SIDE) >= 0
    turn = torch.rad2deg(source.rotation[0, 2, 0].clamp(-1, 1).abs().asin())
    double = smoothstep(0.5, 1.0, sample(face[None].float(), source.positions[NUM_FACE:])[0])
    return torch.cat([double.new_zeros(NUM_FACE), double * smoothstep(*TWICE_DEG, turn)])


def _distance(source: WarpSource) -> Tensor:
    """(K,) cm from the rings to the oval, as the photo shows them."""
    oval = spokes(source.positions[list(OVAL)]).repeat(RINGS, 1)
    to_plane = torch.linalg.det(source.to_grid[:, :2]).abs().sqrt() * 128
    return (source.positions[NUM_FACE:] - oval).norm(dim=1) / to_plane / source.scale


def turn_back(source: WarpSource, placement: HeadPlacement) -> Tensor:
    """() degrees by which a head is turned back from the photo's pose, so that the hidden side comes out."""
    before, after = (torch.rad2deg(r[0, 2, 0].clamp(-1, 1).asin()) for r in (source.rotation, placement.rotation))
    return (before - after) * before.sign()


def growth(hidden: HiddenSide, turn_deg: Tensor, separation: Tensor) -> Tensor:
    """How far the mirrored side has come out: beside the cheek with the turn back, then outwards from there.

    Args:
        hidden: made ready.
        turn_deg: () see `turn_back`.
        separation: () how far the person is cut out of the background.

    Returns:
        (N,) in [0, 1] of all vertices.
    """
    turned = smoothstep(*TURN_BACK_DEG, turn_deg)
    wide = smoothstep(*CUT_OUT, separation) * turned
    grown = smoothstep(0.0, GROWTH, (1 + GROWTH) * wide - (hidden.away / WIDEST_CM).clamp(max=1))
    return torch.maximum(grown, turned * (-(hidden.away / BESIDE_CM[0]).square()).exp())


def place_hidden_side(
    hidden: HiddenSide, screen: Tensor, placement: HeadPlacement, change: Tensor, to_output: Tensor, grown: Tensor
) -> Surface:
    """The mirrored side in a frame.

    Args:
        hidden: made ready.
        screen: (N, 3) px, all vertices of the frame.
        placement: one row.
        change: (478, 3) cm.
        to_output: (2, 3) aligned px -> px of the output.
        grown: (N,) see `growth`.
    """
    moved = hidden.points + hidden.follow[:, None] * spokes(change[list(OVAL)]).repeat(RINGS, 1)
    rings = plane_to_output(placement.place(moved[None])[0], to_output)
    screen = torch.cat([screen[:NUM_FACE], rings])
    return covering_surface(screen, hidden.faces, hidden.values, grown[:, None], HIDDEN_CONFIDENCE)


def giving_way(hidden: HiddenSide, magnified: Tensor, grown: Tensor, turn_deg: Tensor) -> Tensor:
    """(N,) how far the photo's own surface gives way to the mirrored side at each vertex.

    Args:
        hidden: made ready.
        magnified: (N,) magnification of the texture.
        grown: (N,) see `growth`.
        turn_deg: () see `turn_back`.
    """
    drawn = smoothstep(*GIVE_WAY, magnified)
    at_oval = spokes(drawn[list(OVAL), None])[:, 0].repeat(RINGS)
    width = BESIDE_CM[0] + (BESIDE_CM[1] - BESIDE_CM[0]) * smoothstep(*WIDE_TURN_DEG, turn_deg)
    beside = torch.cat([drawn[:NUM_FACE], at_oval]) * (-(hidden.away / width).square()).exp()
    shown_twice = hidden.double * smoothstep(*TURN_BACK_DEG, turn_deg)
    return torch.maximum(hidden.strength * torch.maximum(drawn, beside) * grown, shown_twice)
