"""Broad light on a face: fitted to the source's skin, put right when the head turns under it.

Second-order spherical harmonics hold nearly all that distant light does to a matt surface (Ramamoorthi and Hanrahan,
On the relationship between radiance and irradiance, JOSA A 2001). Normals are unit vectors of the camera's frame, x
right, y up, z towards the camera. Images are RGB in [0, 1] as files store them; light is linear (gamma 2.2) and has no
colour: coloured light gains nothing measurable and can tint skin.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import describe
from .confidence import face_normals
from .rasteriser import gather
from .sampling import sample
from .surroundings import ring_normals, skull_normals
from .topology import BROWS, LIP_OUTLINE, LIP_RING, NUM_FACE, OVAL, SKIN, load_topology
from .values import WarpSource

GAMMA = 2.2
MIN_RATIO, MAX_RATIO = 0.7, 1.4  # of the light now to the light in the source, gamma encoded as the image is
MIN_SHADING = 0.1  # of the mean over directions: deeper than this no face lies in shadow
# Ridge of each harmonic, per unit of weight: skin is not one colour, and its patches must not become lamps.
RIDGE = (1e-6, 0.0005, 0.0005, 0.0005, 0.002, 0.002, 0.002, 0.002, 0.002)
ROBUST_ROUNDS = 8
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of linear sRGB, ITU-R BT.709
# Surfaces count as turned to the camera by at least this cosine: what the photo hardly saw is drawn like skin beside
# it, and no light was seen there that could be put right.
MIN_FACING = 0.3
# How often the face's normals are averaged with their neighbours': the broad light does not see small folds.
SMOOTHING_ROUNDS = 4
# Below this change of the image nothing is drawn: half a level of 8 bits.
MIN_CHANGE = 0.002
# Without a matte, the light fades beside the oval by this power of the rings' following, so that it stays on the face.
BARE_FADE = 4


def spherical_harmonics(normals: Tensor) -> Tensor:
    """Real spherical harmonics of order 0 to 2 (..., 9) of unit vectors (..., 3)."""
    x, y, z = normals.unbind(-1)
    first = [torch.full_like(x, 0.282095), 0.488603 * y, 0.488603 * z, 0.488603 * x]
    second = [1.092548 * x * y, 1.092548 * y * z, 0.315392 * (3 * z * z - 1), 1.092548 * x * z]
    return torch.stack([*first, *second, 0.546274 * (x * x - y * y)], dim=-1)


def shading(light: Tensor, normals: Tensor) -> Tensor:
    """Linear brightness (...) of skin with normals (..., 3) under a light (9,); never below a tenth of the mean."""
    floor = MIN_SHADING * 0.282095 * light[0].abs()
    return torch.maximum(spherical_harmonics(normals) @ light, floor.clamp(min=1e-4))


def fit_light(colours: Tensor, normals: Tensor, weight: Tensor) -> Tensor:
    """Light of a source times the brightness of its skin, from points of the skin.

    Regularised least squares; what fits badly (brows, beard, highlights, cast shadow) counts less in later rounds.

    Args:
        colours: (N, 3) in [0, 1].
        normals: (N, 3) unit vectors of the camera's frame.
        weight: (N,) trust that the colour is skin's, at least 0.

    Returns:
        (9,) linear: the shading of normal n is harmonics(n) @ light.

    Raises:
        ValueError: if the lengths differ.
    """
    if not len(colours) == len(normals) == len(weight):
        raise ValueError(
            f"Expected as many colours as normals and weights, received {describe(colours)}, {describe(normals)}, "
            f"{describe(weight)}; pass one row per point."
        )
    linear = colours.float().clamp(0, 1) ** GAMMA
    grey, harmonics = linear @ linear.new_tensor(LUMINANCE), spherical_harmonics(normals.float())
    return fit_terms(grey, harmonics, weight)


def fit_terms(grey: Tensor, terms: Tensor, weight: Tensor) -> Tensor:
    """The light (9,) of a source, as in `fit_light`, where a point's brightness (N,) is terms (N, 9) @ light."""
    weight = weight.float().clamp(min=0)
    trust, ridge = weight, torch.diag(terms.new_tensor(RIDGE))
    for _ in range(ROBUST_ROUNDS):
        share = trust / trust.sum().clamp(min=1e-9)
        light = torch.linalg.solve(terms.T @ (share[:, None] * terms) + ridge, terms.T @ (share * grey))
        miss = (terms @ light - grey).abs()
        trust = weight / (1 + (miss / (2 * _weighted_median(miss, share)).clamp(min=2e-3)).square())
    return light


def _weighted_median(values: Tensor, share: Tensor) -> Tensor:
    order = values.argsort()
    return values[order][torch.searchsorted(share[order].cumsum(0), 0.5).clamp(max=len(values) - 1)]


def light_on_skin(skin: Tensor, positions: Tensor, seen: Tensor, plane: Tensor) -> Tensor:
    """The light (9,) on a photo's face.

    Args:
        skin: (3, L, L) the skin's broad colour on the canvas.
        positions: (N, 2) grid coordinates of the vertices.
        seen: (N,) how well the photo saw them.
        plane: (468, 3) the face in the photo, y up and z towards the camera.
    """
    topology = load_topology(skin.device)
    faces = topology.faces[: topology.num_face_triangles]
    a, b, c = gather(positions, faces).unbind(1)
    (ux, uy), (vx, vy) = (b - a).unbind(-1), (c - a).unbind(-1)
    size = (ux * vy - uy * vx).abs() * gather(seen, faces).amin(1) * _bare_skin(skin.device)
    normals = F.normalize(gather(face_normals(plane), faces).mean(1), dim=1)
    return fit_light(sample(skin, (a + b + c) / 3).T, normals, size)


def _bare_skin(device: torch.device) -> Tensor:
    """(T,) 1 for the face's triangles that are neither eye nor lip nor brow."""
    topology = load_topology(device)
    faces = topology.faces[: topology.num_face_triangles]
    bare = topology.labels[: topology.num_face_triangles] == SKIN
    for other in ((*LIP_RING, *LIP_OUTLINE), BROWS):
        bare = bare & ~torch.isin(faces, torch.tensor(other, device=device)).all(1)
    return bare.float()


class Relighting:
    """What turning does to the light on a source's vertices.

    Args:
        source: made ready.
        plane: (N, 3) its vertices in the photo.
        strength: in [0, 1]; 0 changes nothing.
    """

    def __init__(self, source: WarpSource, plane: Tensor, strength: float):
        face = face_normals(plane)
        rings = ring_normals(skull_normals(source), source.ring_follow, face[list(OVAL)], source.rotation[0])
        normals = torch.cat([face, rings])
        person = sample(source.matte, source.positions[NUM_FACE:])[0].clamp(0, 1)
        follow = source.ring_follow
        around = torch.where(source.separable > 0, follow * person, follow**BARE_FADE)
        self._light = source.broad_light
        self._share = strength / GAMMA * torch.cat([torch.ones_like(face[:, 0]), around])
        self._before = self._brightness(normals)

    def ratio(self, normals: Tensor) -> Tensor:
        """(N,) what to multiply the image by at vertices that now have normals (N, 3); 1 far from the face."""
        ratio = self._share * (self._brightness(normals) - self._before)
        return ratio.clamp(math.log(MIN_RATIO), math.log(MAX_RATIO)).exp()

    def _brightness(self, normals: Tensor) -> Tensor:
        """(N,) logarithm of the shading of smoothed normals (N, 3)."""
        smooth = torch.cat([smoothed(normals[:NUM_FACE]), normals[NUM_FACE:]])
        across, ahead = F.normalize(smooth, dim=1).split([2, 1], dim=1)
        return shading(self._light, F.normalize(torch.cat([across, ahead.clamp(min=MIN_FACING)], 1), dim=1)).log()


def smoothed(normals: Tensor) -> Tensor:
    """Normals (468, 3) of the face as means over their neighbourhoods: not of unit length, without small folds."""
    return (normals.T @ _near_face_across(normals.device)).T


@lru_cache(maxsize=4)
def _near_face_across(device: torch.device) -> Tensor:
    """`near_face` with its columns as rows: a product this way round takes a third of the time."""
    return near_face(device).T.contiguous()


@lru_cache(maxsize=4)
def near_face(device: torch.device) -> Tensor:
    """(468, 468) weights with which the face's vertices take the mean of themselves and those around them."""
    topology = load_topology(device)
    faces = topology.faces[: topology.num_face_triangles]
    joined = torch.zeros(NUM_FACE, NUM_FACE, device=device)
    for first, second in ((0, 1), (1, 2), (2, 0)):
        joined[faces[:, first], faces[:, second]] = joined[faces[:, second], faces[:, first]] = 1.0
    step = 0.5 * torch.eye(NUM_FACE, device=device) + 0.5 * joined / joined.sum(1, keepdim=True)
    return torch.linalg.matrix_power(step, SMOOTHING_ROUNDS)
