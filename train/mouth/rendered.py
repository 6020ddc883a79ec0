"""Rendered people who open their mouths, as pairs: `python -m train.mouth.rendered FOLDER --people 300`.

A person takes about two seconds of one thread. Shards of `PER_SHARD` people; those that are there are not made again.
"""

from __future__ import annotations

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
from portraits.head import Head, PosedHead
from portraits.identity import sample_identity
from portraits.motion import ActionVector
from portraits.render import Portrait
from portraits.scene import sample_scene

from ..experiments.making import make_people
from ..light.rendered import HARD_LIGHT, random_scene
from .crops import MouthPairs, mouth_pairs

RENDER_SIZE = 216
PER_SHARD, TARGETS, SEED = 4, 8, 1702
SOURCE_SIGMA_DEG, TARGET_SIGMA_DEG = (9.0, 5.0, 2.0), (9.0, 5.0, 3.0)
# Share of sources whose mouth is shut.
SHUT_SOURCES = 0.75


def random_mouth(names: list[str], rng: np.random.Generator, opens: bool) -> np.ndarray:
    """(52,) expression whose mouth is open, or shut; the eyes stay as they are."""
    actions = ActionVector(names, np.zeros(len(names), np.float32))
    smile, skew = 0.9 * rng.beta(0.7, 1.2), float(np.clip(rng.normal(1, 0.1), 0.6, 1.25))
    actions.both("mouthSmile", smile, skew)
    actions.both("cheekSquint", 0.5 * smile)
    if not opens:
        return actions.values
    actions.set("jawOpen", rng.choice([0.15, 0.4, 0.8], p=[0.3, 0.4, 0.3]) * rng.uniform(0.5, 1.1))
    for name, chance in (("mouthLowerDown", 0.5), ("mouthUpperUp", 0.5), ("mouthStretch", 0.25)):
        actions.both(name, 0.6 * rng.random() * (rng.random() < chance), skew)
    actions.set("mouthFunnel", (1 - smile) * 0.6 * rng.random() * (rng.random() < 0.3))
    return actions.values


def person_frames(head: Head, person: int) -> list[Tensor]:
    """The source and its targets (S, S, 3) uint8 of one person under one light. Nobody has hair: it takes long."""
    rng = np.random.default_rng((SEED, person))
    identity = sample_identity(head, rng)
    identity = replace(identity, hair=replace(identity.hair, style="bald"), glasses=None)
    scene = sample_scene(rng)
    portrait = Portrait(head, identity, random_scene(scene, rng) if rng.random() < HARD_LIGHT else scene)
    pose = rng.normal(0, SOURCE_SIGMA_DEG)
    opens, poses = [rng.random() > SHUT_SOURCES], [pose]
    for _ in range(TARGETS):
        opens.append(True)
        poses.append(pose + rng.normal(0, TARGET_SIGMA_DEG))
    frames = []
    for is_open, degrees in zip(opens, poses, strict=True):
        expression = random_mouth(head.action_names, rng, is_open)
        posed = PosedHead(head, identity.shape, expression, np.radians(degrees), np.zeros(2))
        image, _ = portrait.render(posed, Camera(posed, portrait.scene.distance, Jitter()), RENDER_SIZE)
        frames.append(torch.from_numpy(image))
    return frames


def pairs_of(frames: list[Tensor], landmarker: FaceLandmarker, face_model: OpenFaceModel) -> MouthPairs | None:
    """The first frame as the source of the others; None where too few faces are found."""
    faces = [landmarker(frame[None])[0] for frame in frames]
    found = [(frame, face.points[0]) for frame, face in zip(frames[1:], faces[1:], strict=True) if len(face)]
    if not len(faces[0]) or not found:
        return None
    reading = read_face(frames[0], landmarker, face_model)
    source = prepare_source(frames[0], reading)
    meshes = transform_mesh(torch.stack([points for _, points in found]), reading.aligned[None])
    motion = mesh_motion(source, meshes)
    return mouth_pairs(source, reading.aligned, motion, frames[0], [frame for frame, _ in found])


def pairs_by_number() -> Callable[[int], MouthPairs | None]:
    """What renders the person of a number and finds the pairs."""
    head, landmarker, face_model = Head(), FaceLandmarker().eval(), OpenFaceModel.from_bundled()
    return lambda number: pairs_of(person_frames(head, number), landmarker, face_model)


if __name__ == "__main__":
    make_people(__doc__, "rendered", 300, PER_SHARD, pairs_by_number)
