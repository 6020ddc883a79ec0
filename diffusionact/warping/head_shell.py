"""The back of the head: a shell behind the outline of head and hair, which turns of the head uncover.

It continues the ellipse of `outline.py` behind the outline, and shows the hair that the photo has just inside of it,
mirrored at the outline. Where the matte shows no sure outline there is no shell.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..face.geometry.alignment import invert_transform
from .behind import Surface, covering_surface
from .far_half import far_half, no_profile
from .outline import Outline, find_outline
from .placement import mesh_to_plane
from .sampling import apply, sample, smoothstep
from .surroundings import SKULL_CENTRE, SKULL_RADII, spokes
from .topology import NUM_FACE, OVAL, RINGS, SPOKES
from .values import HeadPlacement, WarpSource
from .view import plane_to_output

# Rings of the shell, from just inside the outline to this angle behind it, degrees.
SHELL_RINGS, SHELL_DEG = 8, 75.0
# The first ring lies this share of the reach inside the outline, under its soft edge.
INSIDE = 0.08
# Hair is mirrored from no farther than this inside the outline: share of the reach, cm.
BAND_SHARE, BAND_CM = 0.6, 2.5
# How far a side of the outline must turn to the camera, sine of the angle, until the shell is seen behind it.
UNCOVERED = (0.08, 0.22)
# Width of the outline's soft edge, cm.
SOFT_CM = 0.25
# Heights in head space below which hair hangs and is no shell, cm.
HANGING_CM = (-3.0, 1.0)
# The shell's own outline is soft as hair is: cosines with the view.
SOFT_EDGE = (0.05, 0.4)
SHELL_CONFIDENCE = 0.2


@dataclass(frozen=True)
class HeadShell:
    """K = (SHELL_RINGS + 1) * SPOKES vertices.

    Attributes:
        faces: (T, 3).
        points: (K, 3) cm, head space.
        normals: (K, 3) unit, head space.
        outwards: (K, 3) unit, from the head's middle to the outline in the photo.
        values: (K, 6) grid place on the canvas (2), strength, change of colour (3), which is none.
    """

    faces: Tensor
    points: Tensor
    normals: Tensor
    outwards: Tensor
    values: Tensor


def find_shell(source: WarpSource) -> HeadShell:
    """Fit the shell to the outline of a source with a matte."""
    outline = find_outline(source, source.matte)
    ray = source.rotation[0, 2]
    centre = ray.new_tensor(SKULL_CENTRE)
    first = torch.acos(torch.tensor(1 - INSIDE))
    angle = torch.linspace(0, torch.pi / 180 * SHELL_DEG, SHELL_RINGS, device=ray.device)
    angle = torch.cat([-first.to(ray)[None], angle])[:, None]
    # 1. Where the vertices lie: on an ellipse from the outline to the back of the skull.
    direction, length = _outwards(source, outline, centre, ray)
    across = length * angle.cos()
    radius = outline.depth_radius(ray.new_tensor(SKULL_RADII)[2])
    depth = -radius * angle.sin()
    points = centre + across[..., None] * direction + depth[..., None] * ray
    # 2. What they show: hair inside the outline, no farther than its band, and not its soft edge.
    band = (BAND_SHARE * outline.reach).clamp(max=BAND_CM)
    shown = (outline.reach - SOFT_CM).clamp(min=0) - band * torch.tanh((length - across) / band)
    places = _grid_at(source, outline, shown)
    far = spokes(far_half(source.rotation[0], source.shape[list(OVAL)])[:, None])[:, 0]
    strength = outline.sure * (1 - far) * no_profile(source.rotation[0]) * smoothstep(*HANGING_CM, points[..., 1])
    strength = strength * smoothstep(1.0, 0.85, angle / angle[-1]) * sample(source.inside, places)[0].clamp(0, 1)
    values = torch.cat([places, strength[..., None], torch.zeros_like(points)], dim=-1)
    faces = _faces(ray.device)
    values = values.flatten(0, 1)
    used = (values[:, 2] > 0)[faces].any(1)
    # 3. Which way it looks.
    normals = (angle.cos() / length)[..., None] * direction
    normals = normals - (angle.sin() / radius)[..., None] * ray
    normals = normals / normals.norm(dim=-1, keepdim=True)
    outwards = direction.repeat(SHELL_RINGS + 1, 1)
    return HeadShell(faces[used], points.flatten(0, 1), normals.flatten(0, 1), outwards, values)


def _outwards(source: WarpSource, outline: Outline, centre: Tensor, ray: Tensor) -> tuple[Tensor, Tensor]:
    """From the skull's centre to the outline across the view: unit vectors (S, 3) of head space, lengths (S,) cm."""
    aligned = apply(invert_transform(source.to_grid[None])[0], _grid_at(source, outline, outline.reach))
    plane = mesh_to_plane(torch.cat([aligned, torch.zeros_like(aligned[:, :1])], dim=1))
    flat = source.placement.to_head(plane[None])[0] - centre
    flat = flat - (flat @ ray)[:, None] * ray
    length = flat.norm(dim=-1).clamp(min=1e-6)
    return flat / length[:, None], length


def _grid_at(source: WarpSource, outline: Outline, away: Tensor) -> Tensor:
    """(*R, S, 2) grid places at distances (*R, S) cm from the oval on the spokes."""
    oval = spokes(source.positions[list(OVAL)])
    rings = source.positions[NUM_FACE:].view(RINGS, SPOKES, 2)
    return oval + (away / outline.away[-1])[..., None] * (rings[-1] - oval)


def _faces(device: torch.device) -> Tensor:
    """(T, 3) triangles between neighbouring rings of the shell, wound as the rings of `topology.py`."""
    ring = torch.arange((SHELL_RINGS + 1) * SPOKES, device=device).view(SHELL_RINGS + 1, SPOKES)
    inner, outer = ring[:-1], ring[1:]
    inner_next, outer_next = inner.roll(-1, 1), outer.roll(-1, 1)
    corners = ((inner, inner_next, outer_next), (inner, outer_next, outer))
    return torch.cat([torch.stack([corner.flatten() for corner in triangle], dim=1) for triangle in corners])


def place_shell(shell: HeadShell, placement: HeadPlacement, to_output: Tensor, share: Tensor) -> Surface:
    """The shell in a frame.

    Args:
        shell: made ready.
        placement: one row.
        to_output: (2, 3) aligned px -> px of the output.
        share: () how far the person is cut out of the background.
    """
    screen = plane_to_output(placement.place(shell.points[None])[0], to_output)
    ray = placement.rotation[0, 2]
    facing = smoothstep(*SOFT_EDGE, shell.normals @ ray) * smoothstep(*UNCOVERED, shell.outwards @ ray)
    return covering_surface(screen, shell.faces, shell.values, share * facing[:, None], SHELL_CONFIDENCE)
