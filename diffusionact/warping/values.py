"""The values of the warp: a source made ready, motions, and what comes out; frozen dataclasses of tensors and numbers.

Spaces: *photo* px; *aligned* px, the FFHQ-style crop of 256 px; *canvas* px, the aligned crop at the photo's resolution
with a margin all around; *plane*, the camera's plane of `projection.py` with x right, y up, z towards the camera and 2
units for the crop's side; *head*, centimetres of the canonical face in the head frame of `rotations.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from .sampling import enlarge_smooth


@dataclass(frozen=True)
class HeadPlacement:
    """Where heads are: plane = scale * rotation @ head + shift, one row a frame.

    Attributes:
        rotation: (F, 3, 3).
        scale: (F,) plane units per cm.
        shift: (F, 3) plane units; depth only sorts.
    """

    rotation: Tensor
    scale: Tensor
    shift: Tensor

    def place(self, head: Tensor) -> Tensor:
        """Head points (F or 1, N, 3) cm on the plane (F, N, 3)."""
        return self.scale[:, None, None] * (head @ self.rotation.transpose(1, 2)) + self.shift[:, None]

    def to_head(self, plane: Tensor) -> Tensor:
        """Plane points (F or 1, N, 3) in head space (F, N, 3), cm."""
        return (plane - self.shift[:, None]) @ self.rotation / self.scale[:, None, None]

    def row(self, index: int) -> HeadPlacement:
        """One frame."""
        kept = slice(index, index + 1)
        return HeadPlacement(self.rotation[kept], self.scale[kept], self.shift[kept])


@dataclass(frozen=True)
class WarpSource:
    """A photo made ready to be warped. All fields are tensors, so that it can be saved by name and moved.

    Attributes:
        aligned: (2, 3) photo px -> aligned px.
        to_grid: (2, 3) aligned px -> grid coordinates of the canvas.
        crop_side: () int64, side of the aligned crop on the canvas, px; the canvas is wider by the margins.
        texture: (3, side, side) in [0, 1], the photo on the canvas.
        inside: (1, side, side) 1 where the canvas shows the photo.
        matte: (1, side, side) how much of a pixel is the person; 1 without a matte.
        colour: (3, side, side) the person's own colour, without background in it where the matte is soft.
        background: (3, side, side) the background, filled behind the person.
        background_seen: (1, side, side) 1 where the photo shows that background.
        separable: () 1 if there is a matte.
        shape: (478, 3) cm, the head's own shape with the photo's expression.
        rotation, scale, shift: (1, 3, 3), (1,), (1, 3) the placement of the head in the photo.
        ring_points: (K, 3) cm, vertices around the face oval.
        ring_follow: (K,) share of the oval's own displacement that they take.
        ring_skirt: (K,) 1 close to the oval: where skin may be drawn out over the background.
        weight: (N,) share of the head's motion, of all vertices.
        positions: (N, 2) grid coordinates of all vertices on the canvas.
        seen: (N,) in [0, 1] how well the photo saw the surface there.
        eye_frames: (2, 2, 3) canvas grid -> grid of each eye's patch.
        irises: (2, 5, 2) grid coordinates of the irises on the canvas: centre and four points of the rim.
        eye_white, lid_skin: (2, 3, P, P) patches without iris, and without eye and lashes.
        eye_masks: (2, 2, P, P) the opening, and the zone of lid and lashes.
        lashes: (2, 3, D, K) darkness of the lashes by distance from the lid's edge and place along it.
        iris_rings: (2, 3, R) the iris' colour by radius.
        mouth_frame: (2, 3) canvas grid -> grid of the mouth's patch.
        mouth_inside: (4, P, P) the mouth's inside, continued under the lips, and where it was seen.
        skin_light: (3, L, L) broad light and colour of the skin on the canvas.
        light: (3,) colour and brightness of the light on the face, in [0, 1].
        broad_light: (9,) brightness of the skin by its direction, see `light.py`.
        rotation_values, camera, expression, gaze: (1, 3), (1, 3), (1, 52), (1, 2) of the photo's `FaceCoefficients`.
        alpha: (1, side, side) opacity of the photo's background and person; (1, 1, 1) where the photo is opaque, and
            where it shows nothing but the person, whose matte is its alpha then.
    """

    aligned: Tensor
    to_grid: Tensor
    crop_side: Tensor
    texture: Tensor
    inside: Tensor
    matte: Tensor
    colour: Tensor
    background: Tensor
    background_seen: Tensor
    separable: Tensor
    shape: Tensor
    rotation: Tensor
    scale: Tensor
    shift: Tensor
    ring_points: Tensor
    ring_follow: Tensor
    ring_skirt: Tensor
    weight: Tensor
    positions: Tensor
    seen: Tensor
    eye_frames: Tensor
    irises: Tensor
    eye_white: Tensor
    lid_skin: Tensor
    eye_masks: Tensor
    lashes: Tensor
    iris_rings: Tensor
    mouth_frame: Tensor
    mouth_inside: Tensor
    skin_light: Tensor
    light: Tensor
    broad_light: Tensor
    rotation_values: Tensor
    camera: Tensor
    expression: Tensor
    gaze: Tensor
    alpha: Tensor = field(default_factory=lambda: torch.ones(1, 1, 1))

    @property
    def placement(self) -> HeadPlacement:
        """The head in the photo, one row."""
        return HeadPlacement(self.rotation, self.scale, self.shift)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.texture.device

    def tensors(self) -> dict[str, Tensor]:
        """All fields by name; `WarpSource(**tensors)` is the inverse."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to(self, device: torch.device | str) -> WarpSource:
        """The same source on another device."""
        return WarpSource(**{name: tensor.to(device) for name, tensor in self.tensors().items()})


@dataclass(frozen=True)
class WarpMotion:
    """How the source is posed in each of F frames.

    Attributes:
        placement: F rows, where the head is in the aligned crop.
        change: (F, 478, 3) cm, displacement of the mesh points in the head frame; irises included.
    """

    placement: HeadPlacement
    change: Tensor

    def __len__(self) -> int:
        return len(self.change)


@dataclass(frozen=True)
class WarpedFrames:
    """F warped frames.

    Attributes:
        images: (F, 3, H, W) in [-1, 1].
        confidence: (F, 1, H, W) in [0, 1]: 1 where the photo showed this surface as it is shown now.
        labels: (F, 1, H, W) uint8, the parts of `topology.py`.
        smooth_normals: (F, 3, h, w) of `normals` at every k-th pixel, not of unit length.
        alpha: (F, 1, H, W) in [0, 1]: the image's opacity; 1 unless transparency was asked for.
    """

    images: Tensor
    confidence: Tensor
    labels: Tensor
    smooth_normals: Tensor
    alpha: Tensor

    @property
    def normals(self) -> Tensor:
        """(F, 3, H, W) unit normals, x right, y up, z towards the camera: the face's own, a skull's around it.

        Enlarged when they are asked for, as few ask.
        """
        normal = enlarge_smooth(self.smooth_normals, *self.images.shape[-2:])
        return F.normalize(normal, dim=1, eps=1e-6)
