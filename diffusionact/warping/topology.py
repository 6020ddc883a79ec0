"""The fixed topology of the warp's mesh: the 478 face points, and rings of vertices around the face oval.

Vertices 0 to 467 are those of MediaPipe's canonical face; the rings follow, ring by ring from the oval outwards, each
with `SPOKES` vertices. A ring's vertex 2 k lies on the spoke of the oval's point k, vertex 2 k + 1 halfway to the next.
Triangles that face the camera wind counter-clockwise where y points up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..face.readers.open.landmarker.graph import DATA_FOLDER
from ..face.readers.open.mesh_landmarks import landmark_matrix

NUM_FACE = 468  # without the irises
NUM_MESH = 478

# The face oval, clockwise in the image from the top of the forehead.
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
# Rings around the openings. Eyes: outer corner, upper lid (1 to 7), inner corner, lower lid (9 to 15); the subject's
# right eye first. Lips: right corner, upper lip (1 to 9), left corner, lower lip (11 to 19).
EYE_RINGS = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
)
LIP_RING = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
LIP_OUTLINE = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
BROWS = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
# Centre and four points of the rim, the subject's right iris first.
IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))

# Part labels of triangles and pixels.
SKIN, RIGHT_EYE, LEFT_EYE, MOUTH, SURROUNDINGS, BACKGROUND = range(6)

SPOKES = 2 * len(OVAL)
RINGS = 18


@dataclass(frozen=True)
class Topology:
    """Constants of the mesh.

    Attributes:
        canonical: (468, 3) the canonical face, cm; x right, y up, z towards the camera.
        fit_indices: (P,) the points that a head pose is fitted to.
        fit_weights: (P,) their weights.
        landmark_matrix: (68, 478) mesh -> iBUG-68 landmarks.
        faces: (T, 3) int64, all triangles, those of the face first.
        labels: (T,) int64, the part of each triangle.
        labels_behind: (T + 1,) uint8, the same after the background's, which no triangle shows.
        mirror: (468,) the vertex at the same place of the other half of the face.
    """

    canonical: Tensor
    fit_indices: Tensor
    fit_weights: Tensor
    landmark_matrix: Tensor
    faces: Tensor
    labels: Tensor
    labels_behind: Tensor
    mirror: Tensor

    @property
    def num_face_triangles(self) -> int:
        """How many triangles are the face's."""
        return len(self.faces) - 2 * RINGS * SPOKES + SPOKES // 2

    def to(self, device: torch.device) -> Topology:
        """The same constants on another device."""
        return Topology(**{name: value.to(device) for name, value in vars(self).items()})


@lru_cache(maxsize=4)
def load_topology(device: torch.device | str = "cpu") -> Topology:
    """The mesh's constants, read once per device from the bundled data of the face mesh."""
    data = load_file(DATA_FOLDER / "face_geometry.safetensors")
    canonical, face = data["vertices"].float(), data["triangles"].long()
    rings = _ring_triangles()
    labels = torch.cat([_face_labels(face), torch.full((len(rings),), SURROUNDINGS)])
    mirrored = canonical * canonical.new_tensor([-1.0, 1.0, 1.0])
    return Topology(
        canonical=canonical,
        fit_indices=data["basis_indices"].long(),
        fit_weights=data["basis_weights"].float(),
        landmark_matrix=landmark_matrix(canonical),
        faces=torch.cat([face, rings]),
        labels=labels,
        labels_behind=torch.cat([torch.tensor([BACKGROUND]), labels]).to(torch.uint8),
        mirror=torch.cdist(mirrored, canonical).argmin(1),
    ).to(torch.device(device))


@lru_cache(maxsize=64)
def index_of(points: tuple, device: torch.device) -> Tensor:
    """int64 of whole numbers, such as some of the points above: to be taken by `index_select`, a list takes longer."""
    return torch.tensor(points, device=device)


def _face_labels(faces: Tensor) -> Tensor:
    """A triangle belongs to an eye or to the mouth if all its corners lie on the ring around it."""
    labels = torch.full((len(faces),), SKIN)
    for label, ring in ((RIGHT_EYE, EYE_RINGS[0]), (LEFT_EYE, EYE_RINGS[1]), (MOUTH, LIP_RING)):
        labels[torch.isin(faces, torch.tensor(ring)).all(1)] = label
    return labels


def _ring_triangles() -> Tensor:
    """Triangles between the oval and the first ring, then between neighbouring rings; int64 (T, 3)."""
    oval = torch.tensor(OVAL)
    ring = NUM_FACE + torch.arange(RINGS * SPOKES).view(RINGS, SPOKES)
    even, odd, following = ring[0, 0::2], ring[0, 1::2], ring[0, 0::2].roll(-1)
    after = oval.roll(-1)
    first = [(oval, odd, even), (oval, after, odd), (after, following, odd)]
    triangles = [torch.stack(corners, dim=1) for corners in first]
    inner, outer = ring[:-1], ring[1:]
    inner_next, outer_next = inner.roll(-1, 1), outer.roll(-1, 1)
    for corners in ((inner, inner_next, outer_next), (inner, outer_next, outer)):
        triangles.append(torch.stack([corner.flatten() for corner in corners], dim=1))
    return torch.cat(triangles)
