"""Clips of people as pairs: `python -m train.mouth.filmed FOLDER CLIP...`, a shard per clip.

Sources are frames whose mouth is shut, half open and open; targets are frames with another opening.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.face.readers.open.landmarker import FaceLandmarker
from diffusionact.warping import mesh_motion, prepare_source, read_face
from diffusionact.warping.mouth import lip_opening
from diffusionact.warping.placement import fit_placement, mesh_to_plane, transform_mesh

from ..experiments.making import faces_of, make_filmed
from ..experiments.shards import joined
from .crops import MouthPairs, mouth_pairs

FRAMES, SOURCES, TARGETS = 40, 4, 14
# Openings for the distance of the eyes' outer corners: of targets at least, and between a source and its targets.
MIN_OPENING, MIN_CHANGE = 0.03, 0.025
MAX_TURN_DEG = 25.0


def clip_pairs(frames: list[Tensor], landmarker: FaceLandmarker, face_model: OpenFaceModel) -> list[MouthPairs]:
    """Pairs of frames (H, W, 3) uint8 of one person, all in one; none where no mouth opens."""
    found = faces_of(frames, FRAMES, landmarker)
    if len(found) < 4:
        return []
    meshes = torch.stack([mesh for _, mesh in found])
    openings = lip_opening(meshes)
    order = openings.argsort()
    # The most shut frames of each half of the clip, and frames of further openings.
    half = len(found) // 2
    shut = [int(openings[:half].argmin()), half + int(openings[half:].argmin())]
    spread = [int(order[int(share * (len(order) - 1))]) for share in (0.4, 0.9)]
    rotations = fit_placement(mesh_to_plane(meshes)).rotation
    pairs = []
    for index in list(dict.fromkeys([*shut, *spread]))[:SOURCES]:
        cosine = ((rotations @ rotations[index].T).diagonal(dim1=1, dim2=2).sum(1) - 1) / 2
        near = torch.rad2deg(cosine.clamp(-1, 1).acos()) < MAX_TURN_DEG
        chosen = (near & (openings > MIN_OPENING) & ((openings - openings[index]).abs() > MIN_CHANGE)).nonzero()[:, 0]
        if not len(chosen):
            continue
        chosen = chosen[np.linspace(0, len(chosen) - 1, min(TARGETS, len(chosen))).round().astype(int)].tolist()
        photo = found[index][0]
        reading = read_face(photo, landmarker, face_model)
        source = prepare_source(photo, reading)
        motion = mesh_motion(source, transform_mesh(meshes[chosen], reading.aligned[None]))
        pairs.append(mouth_pairs(source, reading.aligned, motion, photo, [found[k][0] for k in chosen]))
    return [joined(pairs)] if pairs else []


if __name__ == "__main__":
    make_filmed(__doc__, clip_pairs)
