"""Clips of people as pairs: `python -m train.light.filmed FOLDER CLIP...`, a shard a clip.

Only pairs whose light is told by a broad field are kept: same lamps, same exposure, no cut. A clip takes about ten
seconds of one thread.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.face.readers.open.landmarker import FaceLandmarker
from diffusionact.warping import mesh_motion, prepare_source, read_face
from diffusionact.warping.placement import fit_placement, mesh_to_plane, transform_mesh

from ..experiments.making import faces_of, make_filmed
from .pairs import LightPairs, measure_pairs

MIN_FACE_PX = 85.0
# A clip's targets, and its sources: the most frontal frame and those turned farthest to each side.
TARGETS = 10
# Changes of the whole face's brightness beyond this, logarithm, are those of an exposure or a cut.
MAX_EXPOSURE = 0.12
# Deviation of the ratio from its mean beyond which it is no broad light.
MAX_SPREAD = 0.25


def clip_pairs(frames: list[Tensor], landmarker: FaceLandmarker, face_model: OpenFaceModel) -> list[LightPairs]:
    """Pairs of frames (H, W, 3) uint8 of one person."""
    found = faces_of(frames, 3 * TARGETS, landmarker)
    if len(found) < 4:
        return []
    rotations = fit_placement(mesh_to_plane(torch.stack([mesh for _, mesh in found]))).rotation
    sources = {int(rotations[:, 2, 2].argmax()), int(rotations[:, 0, 2].argmax()), int(rotations[:, 0, 2].argmin())}
    pairs = []
    for index in sorted(sources):
        reading = read_face(found[index][0], landmarker, face_model)
        if 256 / float(torch.linalg.det(reading.aligned[:, :2]).sqrt()) < MIN_FACE_PX:
            continue
        away = 1 - (rotations @ rotations[index].T).diagonal(dim1=1, dim2=2).sum(1) / 3
        chosen = away.argsort(descending=True)[:TARGETS].tolist()
        source = prepare_source(found[index][0], reading)
        meshes = transform_mesh(torch.stack([found[k][1] for k in chosen]), reading.aligned[None])
        motion = mesh_motion(source, meshes)
        pairs.append(clean(measure_pairs(source, reading, motion, [found[k][0] for k in chosen])))
    return [kept for kept in pairs if len(kept.ratio)]


def clean(pairs: LightPairs) -> LightPairs:
    """The targets that show the same exposure and nothing but broad light."""
    weight = pairs.weight / pairs.weight.sum(1, keepdim=True).clamp(min=1e-3)
    mean = (weight * pairs.ratio).sum(1)
    spread = (weight * (pairs.ratio - mean[:, None]).square()).sum(1).sqrt()
    good = (mean.abs() < MAX_EXPOSURE) & (spread < MAX_SPREAD) & (pairs.weight.sum(1) > 50)
    names = ("turned", "brightness", "ratio", "weight")
    return replace(pairs, **{name: getattr(pairs, name)[good] for name in names})


if __name__ == "__main__":
    make_filmed(__doc__, clip_pairs)
