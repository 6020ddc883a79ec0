"""Photos that are warped away and back, as pairs: `python -m train.surface.returned FOLDER PHOTO_OR_CLIP...`.

The photo is warped to a turned pose, read anew as a source, and warped back: the photo itself is the truth, with real
skin, hair and surroundings, where the way there lost them. A pair takes about a second of one thread.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from diffusionact.face.errors import NoFaceFoundError
from diffusionact.face.geometry.alignment import compose_transforms
from diffusionact.face.geometry.rotations import axis_angle_to_matrix
from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.images import model_to_uint8, uint8_to_model
from diffusionact.warping import (
    WarpMotion,
    WarpRenderer,
    WarpSource,
    lay_on_photo,
    mesh_motion,
    photo_output,
    read_face,
)
from diffusionact.warping.photo import PhotoPreparer
from diffusionact.warping.placement import transform_mesh
from diffusionact.warping.values import HeadPlacement

from ..experiments.making import faces_of, make_filmed
from ..experiments.shards import joined
from .cutting import cut_photo
from .pairs import SurfacePairs, cut_out_source, surface_pairs

# Turned views of a photo, and of each of the frames that are taken of a clip.
FRAMES, VIEWS_OF_PHOTO, VIEWS_OF_FRAME = 5, 8, 2
SEED, YAW_DEG, PITCH_SIGMA_DEG, MIN_FACE_PX = 1810, (10.0, 40.0), 5.0, 85.0


def turned_motion(source: WarpSource, degrees: np.ndarray) -> WarpMotion:
    """The source turned by yaw, pitch, roll in degrees (3,), its expression as it is."""
    yaw, pitch, roll = np.radians(degrees)
    turn = axis_angle_to_matrix(source.rotation.new_tensor([[pitch, yaw, roll]]))
    placement = HeadPlacement(turn @ source.rotation, source.scale, source.shift)
    return WarpMotion(placement, torch.zeros_like(source.shape)[None])


def returned_pairs(
    photo: Tensor, views: int, rng: np.random.Generator, preparer: PhotoPreparer, face_model: OpenFaceModel
) -> list[SurfacePairs]:
    """Turned views of a photo (H, W, 3) uint8, each warped back; without those in which no face is found."""
    reading = read_face(photo, preparer.landmarker, face_model)
    if 256 / float(torch.linalg.det(reading.aligned[:, :2]).sqrt()) < MIN_FACE_PX:
        return []
    source = cut_out_source(photo, reading, preparer)
    renderer = WarpRenderer(source, tuple(photo.shape[:2]), photo_output(source))
    pairs = []
    for side in rng.permutation(views) % 2:
        yaw = (2 * side - 1) * rng.uniform(*YAW_DEG)
        motion = turned_motion(source, np.array([yaw, rng.normal(0, PITCH_SIGMA_DEG), rng.normal(0, PITCH_SIGMA_DEG)]))
        turned = lay_on_photo(uint8_to_model(photo[None]), renderer.render(motion).images, source)
        try:
            pairs.append(_back(model_to_uint8(turned)[0], photo, reading.mesh, rng, preparer, face_model))
        except NoFaceFoundError:
            continue
    return pairs


def _back(
    turned: Tensor,
    photo: Tensor,
    mesh: Tensor,
    rng: np.random.Generator,
    preparer: PhotoPreparer,
    face_model: OpenFaceModel,
) -> SurfacePairs:
    """A turned view of a photo, perhaps cut, warped to the mesh (478, 3) px of the photo."""
    view, (left, top) = cut_photo(turned, mesh, rng)
    reading = read_face(view, preparer.landmarker, face_model)
    to_view = reading.aligned.new_tensor([[1.0, 0.0, -left], [0.0, 1.0, -top]])
    to_photo = compose_transforms(reading.aligned[None], to_view[None])[0]
    source = cut_out_source(view, reading, preparer)
    motion = mesh_motion(source, transform_mesh(mesh[None], to_photo[None]))
    return surface_pairs(source, reading.aligned, motion, view, [photo], to_photo)


def clip_pairs(frames: list[Tensor], preparer: PhotoPreparer, face_model: OpenFaceModel) -> list[SurfacePairs]:
    """Pairs of a photo, which is a clip of one frame, or of some frames of a clip; all in one."""
    rng = np.random.default_rng(SEED)
    views = VIEWS_OF_PHOTO if len(frames) == 1 else VIEWS_OF_FRAME
    found = faces_of(frames, FRAMES, preparer.landmarker)
    pairs = [pair for frame, _ in found for pair in returned_pairs(frame, views, rng, preparer, face_model)]
    return [joined(pairs)] if pairs else []


def main() -> None:
    """Command line."""
    preparer = PhotoPreparer()
    make_filmed(__doc__, lambda frames, _, face_model: clip_pairs(frames, preparer, face_model))


if __name__ == "__main__":
    main()
