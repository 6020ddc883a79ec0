"""Rendered people who turn far, as pairs: `python -m train.surface.rendered FOLDER --people 600`.

A person takes about two seconds of one thread. Shards of `PER_SHARD` people; those that are there are not made again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from diffusionact.face.geometry.alignment import compose_transforms
from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.face.readers.open.landmarker import FaceLandmarker
from diffusionact.warping import mesh_motion, read_face
from diffusionact.warping.photo import PhotoPreparer
from diffusionact.warping.placement import transform_mesh
from portraits.camera import Camera, Jitter
from portraits.frames import sample_portrait
from portraits.head import Head, PosedHead
from portraits.motion import still_motions
from portraits.render import Portrait

from ..experiments.making import make_people
from ..light.rendered import HARD_LIGHT, random_scene
from .cutting import cut_photo
from .pairs import SurfacePairs, cut_out_source, surface_pairs

# The frame is wider than the aligned crop, as photos are.
RENDER_SIZE, FIELD_LOG = 216, 0.25
PER_SHARD, TARGETS, SEED = 5, 6, 1809
# Share of the sources that are turned, and by how much; how far targets are from the source, degrees.
TURNED, TURNED_DEG, NEAR_SIGMA_DEG, AWAY_DEG, MAX_YAW_DEG = 0.4, (12.0, 38.0), 7.0, (14.0, 60.0), 52.0


def poses(rng: np.random.Generator) -> np.ndarray:
    """(1 + TARGETS, 3) yaw, pitch, roll in degrees of a source and its targets."""
    turned = rng.choice([-1, 1]) * rng.uniform(*TURNED_DEG)
    source = turned if rng.random() < TURNED else rng.normal(0, NEAR_SIGMA_DEG)
    away = rng.uniform(*AWAY_DEG, TARGETS) * rng.choice([-1, 1], TARGETS)
    away = np.where(np.abs(source + away) > MAX_YAW_DEG, -away, away)
    yaw = np.concatenate([[source], np.clip(source + away, -MAX_YAW_DEG, MAX_YAW_DEG)])
    return np.stack([yaw, rng.normal(0, 7.0, len(yaw)), rng.normal(0, 4.0, len(yaw))], axis=1)


def person_frames(head: Head, person: int) -> list[Tensor]:
    """The source and its targets (S, S, 3) uint8 of one person under one light, before a background that stays."""
    rng = np.random.default_rng((SEED, person))
    portrait = sample_portrait(head, rng)
    scene = random_scene(portrait.scene, rng) if rng.random() < HARD_LIGHT else portrait.scene
    portrait = Portrait(head, portrait.identity, scene)
    frames = []
    for motion, pose in zip(still_motions(head.action_names, rng, 1 + TARGETS), poses(rng), strict=True):
        expression = 0.5 * rng.random() * motion.expression
        posed = PosedHead(head, portrait.identity.shape, expression, np.radians(pose), motion.eye_turn)
        camera = Camera(posed, scene.distance, Jitter(0.0, 0.0, FIELD_LOG))
        frames.append(torch.from_numpy(portrait.render(posed, camera, RENDER_SIZE)[0]))
    return frames


def pairs_of(
    frames: list[Tensor],
    landmarker: FaceLandmarker,
    face_model: OpenFaceModel,
    preparer: PhotoPreparer,
    rng: np.random.Generator,
) -> SurfacePairs | None:
    """The first frame, perhaps cut, as the source of the others; None where too few faces are found."""
    faces = [landmarker(frame[None])[0] for frame in frames]
    found = [(frame, face.points[0]) for frame, face in zip(frames[1:], faces[1:], strict=True) if len(face) == 1]
    if len(faces[0]) != 1 or not found:
        return None
    photo, (left, top) = cut_photo(frames[0], faces[0].points[0], rng)
    if len(landmarker(photo[None])[0]) != 1:
        return None
    reading = read_face(photo, landmarker, face_model)
    to_photo = reading.aligned.new_tensor([[1.0, 0.0, -left], [0.0, 1.0, -top]])
    to_frames = compose_transforms(reading.aligned[None], to_photo[None])[0]
    source = cut_out_source(photo, reading, preparer)
    motion = mesh_motion(source, transform_mesh(torch.stack([points for _, points in found]), to_frames[None]))
    return surface_pairs(source, reading.aligned, motion, photo, [frame for frame, _ in found], to_frames)


def pairs_by_number() -> Callable[[int], SurfacePairs | None]:
    """What renders the person of a number and finds the pairs."""
    head, preparer, face_model = Head(), PhotoPreparer(), OpenFaceModel.from_bundled()

    def pairs(number: int) -> SurfacePairs | None:
        rng = np.random.default_rng((SEED, number, 1))
        return pairs_of(person_frames(head, number), preparer.landmarker, face_model, preparer, rng)

    return pairs


if __name__ == "__main__":
    make_people(__doc__, "rendered", 600, PER_SHARD, pairs_by_number)
