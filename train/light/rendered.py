"""Rendered people under random light as pairs: `python -m train.light.rendered FOLDER --people 300`.

A person takes about three seconds of one thread. Shards of `PER_SHARD` people; those that are there are not made again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.face.readers.open.landmarker import FaceLandmarker
from diffusionact.warping import mesh_motion, prepare_source, read_face
from diffusionact.warping.placement import transform_mesh
from portraits.camera import Camera, Jitter
from portraits.frames import sample_portrait
from portraits.head import Head, PosedHead
from portraits.motion import still_motions
from portraits.render import Portrait
from portraits.scene import Light, Scene

from ..experiments.making import make_people
from .pairs import LightPairs, measure_pairs

RENDER_SIZE = 176
PER_SHARD, TARGETS = 10, 4
SEED = 1611
SOURCE_SIGMA_DEG, TARGET_RANGE_DEG = (9.0, 5.0, 2.0), (38.0, 16.0, 6.0)
# Share of people under stronger, more varied lamps than those of the portraits' own scenes.
HARD_LIGHT = 0.6


def random_scene(scene: Scene, rng: np.random.Generator) -> Scene:
    """The same surroundings with lamps from anywhere but behind, over weaker ambience."""
    lamps = []
    for order in range(rng.integers(1, 4)):
        azimuth, elevation = rng.uniform(-2.0, 2.0), rng.uniform(-0.4, 1.2)
        level = math.cos(elevation)
        direction = (math.sin(azimuth) * level, math.sin(elevation), math.cos(azimuth) * level)
        warmth = rng.normal(0.02, 0.1)
        colour = np.array([1 + warmth, 1, 1 - warmth], np.float32)
        strength = rng.uniform(0.5, 1.5) / (1 + 0.7 * order)
        lamps.append(Light(np.array(direction, np.float32), strength, colour))
    return replace(scene, lamps=lamps, ambient=rng.uniform(0.12, 0.5))


def person_frames(head: Head, person: int) -> list[Tensor]:
    """The source and its targets (S, S, 3) uint8 of one person under one light."""
    rng = np.random.default_rng((SEED, person))
    portrait = sample_portrait(head, rng)
    scene = random_scene(portrait.scene, rng) if rng.random() < HARD_LIGHT else portrait.scene
    portrait = Portrait(head, portrait.identity, scene)
    motions = still_motions(head.action_names, rng, 1 + TARGETS)
    poses = [rng.normal(0, SOURCE_SIGMA_DEG), *(rng.uniform(-1, 1, (TARGETS, 3)) * TARGET_RANGE_DEG)]
    frames = []
    for motion, pose in zip(motions, poses, strict=True):
        share = rng.random()  # of an expression: most of a light's change is the turn's
        posed = PosedHead(head, portrait.identity.shape, share * motion.expression, np.radians(pose), motion.eye_turn)
        image, _ = portrait.render(posed, Camera(posed, scene.distance, Jitter()), RENDER_SIZE)
        frames.append(torch.from_numpy(image))
    return frames


def pairs_of(frames: list[Tensor], landmarker: FaceLandmarker, face_model: OpenFaceModel) -> LightPairs | None:
    """The first frame as the source of the others; None where too few faces are found."""
    faces = [landmarker(frame[None])[0] for frame in frames]
    if not len(faces[0]):
        return None
    found = [(frame, face.points[0]) for frame, face in zip(frames[1:], faces[1:], strict=True) if len(face)]
    if not found:
        return None
    reading = read_face(frames[0], landmarker, face_model)
    source = prepare_source(frames[0], reading)
    meshes = transform_mesh(torch.stack([points for _, points in found]), reading.aligned[None])
    return measure_pairs(source, reading, mesh_motion(source, meshes), [frame for frame, _ in found])


def pairs_by_number() -> Callable[[int], LightPairs | None]:
    """What renders the person of a number and finds the pairs."""
    head, landmarker, face_model = Head(), FaceLandmarker().eval(), OpenFaceModel.from_bundled()
    return lambda number: pairs_of(person_frames(head, number), landmarker, face_model)


if __name__ == "__main__":
    make_people(__doc__, "rendered", 300, PER_SHARD, pairs_by_number)
