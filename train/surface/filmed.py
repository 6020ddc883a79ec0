"""Clips of people who turn, as pairs: `python -m train.surface.filmed FOLDER CLIP...`, a shard per clip."""

from __future__ import annotations

import torch
from torch import Tensor

from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.warping import mesh_motion, read_face
from diffusionact.warping.photo import PhotoPreparer
from diffusionact.warping.placement import fit_placement, mesh_to_plane, transform_mesh

from ..experiments.making import faces_of, make_filmed
from .pairs import SurfacePairs, cut_out_source, surface_pairs

FRAMES, TARGETS, MIN_TURN_DEG, MAX_ZOOM_LOG = 40, 12, 7.0, 0.2


def turns_between(rotations: Tensor, index: int) -> Tensor:
    """(N,) degrees between heads with rotations (N, 3, 3) and the one of a row."""
    cosine = ((rotations @ rotations[index].T).diagonal(dim1=1, dim2=2).sum(1) - 1) / 2
    return torch.rad2deg(cosine.clamp(-1, 1).acos())


def turning_sources(meshes: Tensor) -> list[tuple[int, list[int]]]:
    """Of meshes (N, 478, 3) px the rows that serve as sources, and their targets: those turned farthest away.

    Sources are the most frontal one and those turned farthest to each side. Targets of another size are of another
    shot.
    """
    placement = fit_placement(mesh_to_plane(meshes))
    rotations, size = placement.rotation, placement.scale.log()
    sources = {int(rotations[:, 2, 2].argmax()), int(rotations[:, 0, 2].argmax()), int(rotations[:, 0, 2].argmin())}
    result = []
    for index in sorted(sources):
        turns, near = turns_between(rotations, index), (size - size[index]).abs() < MAX_ZOOM_LOG
        targets = [k for k in turns.argsort(descending=True).tolist() if turns[k] > MIN_TURN_DEG and near[k]]
        if targets:
            result.append((index, targets[:TARGETS]))
    return result


def clip_pairs(frames: list[Tensor], preparer: PhotoPreparer, face_model: OpenFaceModel) -> list[SurfacePairs]:
    """Pairs of frames (H, W, 3) uint8 of one person, of each source in turn."""
    found = faces_of(frames, FRAMES, preparer.landmarker)
    if len(found) < 2:
        return []
    meshes, pairs = torch.stack([mesh for _, mesh in found]), []
    for index, targets in turning_sources(meshes):
        photo = found[index][0]
        reading = read_face(photo, preparer.landmarker, face_model)
        source = cut_out_source(photo, reading, preparer)
        motion = mesh_motion(source, transform_mesh(meshes[targets], reading.aligned[None]))
        truths = [found[k][0] for k in targets]
        pairs.append(surface_pairs(source, reading.aligned, motion, photo, truths, reading.aligned))
    return pairs


def main() -> None:
    """Command line."""
    preparer = PhotoPreparer()
    make_filmed(__doc__, lambda frames, _, face_model: clip_pairs(frames, preparer, face_model))


if __name__ == "__main__":
    main()
