"""People as nothing but 468 shaded points: pairs by the thousand, with the portraits' own light and no images.

`python -m train.light.shaded FOLDER --people 4000`. Shape, expression, self-shadow, lamps, highlights and film are
those of `portraits`; skin differs from place to place. A person takes about 20 milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from diffusionact.face.readers.open.mesh_landmarks import landmark_matrix
from diffusionact.warping.light import GAMMA, LUMINANCE, fit_light, near_face
from diffusionact.warping.sampling import smoothstep
from diffusionact.warping.topology import BROWS, LIP_OUTLINE, LIP_RING, NUM_FACE, load_topology
from portraits.geometry import head_rotation
from portraits.head import SKIN, Head
from portraits.identity import SKIN_TONES, sample_identity
from portraits.light import Lighting
from portraits.motion import still_motions
from portraits.scene import Scene, sample_scene
from portraits.smooth_map import smooth_map

from ..experiments.making import make_people
from .pairs import LightPairs
from .relighting import smooth_normals
from .rendered import HARD_LIGHT, SOURCE_SIGMA_DEG, TARGET_RANGE_DEG, random_scene

# Means over neighbourhoods of the mesh (468, 468).
NEAR = near_face(torch.device("cpu"))
PER_SHARD, TARGETS, SEED = 250, 6, 1612
WELL_SEEN, BARELY_SEEN = 0.35, 0.08
# Deviations of the skin's own brightness: over the face, and from place to place, logarithm.
BROAD_SKIN, PATCHES = 0.05, 0.04


class ShadedFace:
    """The head's light transfer at the face mesh's points."""

    def __init__(self, head: Head):
        topology = load_topology()
        canonical = topology.canonical.numpy().astype(np.float64)
        marks = landmark_matrix(topology.canonical).numpy()[:, :NUM_FACE] @ canonical
        places = smooth_map(marks, head.template_landmarks.astype(np.float64), canonical)
        skin = np.unique(head.faces[head.part == SKIN])
        inside = head.vertex_masks[:, head.mask_names.index("inside-mouth")]
        skin = skin[inside[skin] < 0.3]
        distances = np.linalg.norm(head.template[skin][None] - places[:, None], axis=-1)
        self.head, self.vertices = head, skin[distances.argmin(1)]
        self.transfer = (NEAR @ torch.from_numpy(head.light_transfer[self.vertices])).numpy()
        self.openness = (NEAR @ torch.from_numpy(head.openness[self.vertices])).numpy()

    def normals(self, shape: np.ndarray, expression: np.ndarray) -> Tensor:
        """(468, 3) smoothed unit normals of a person's head before it turns."""
        rest = shape + (expression.astype(np.float32) @ self.head.actions).reshape(-1, 3)
        return smooth_normals(torch.from_numpy(rest[self.vertices]))

    def radiance(self, scene: Scene, rotation: np.ndarray, normals: np.ndarray, albedo: np.ndarray, shine: float):
        """Linear brightness (468,) of skin with normals (468, 3) of the camera's frame; as `Lighting.shade`."""
        coefficients = Lighting(scene, rotation).coefficients @ np.array(LUMINANCE, np.float32)
        received = np.maximum(self.transfer @ coefficients, 0.01 * scene.ambient)
        shadow, lobes = self.openness**1.5, np.zeros_like(received)
        for lamp in scene.lamps:
            facing = normals @ lamp.direction
            received = received + np.maximum((facing + 0.12) / 1.12, 0) * shadow * 0.55 * lamp.strength
            half = lamp.direction + np.array([0, 0, 1], np.float32)
            cosine = np.maximum(normals @ (half / np.linalg.norm(half)), 0)
            lobes += 0.35 * lamp.strength * shine * cosine**14 * (facing > 0) * self.openness
        light = scene.exposure * (albedo * received * 0.62 + lobes)
        return np.clip(light / (1 + 0.12 * light), 1e-4, 1)


def shaded_person(face: ShadedFace, person: int) -> LightPairs:
    """One person under one light, as a source and in targets."""
    rng = np.random.default_rng((SEED, person))
    identity = sample_identity(face.head, rng)
    scene = sample_scene(rng)
    scene = random_scene(scene, rng) if rng.random() < HARD_LIGHT else scene
    albedo, shine = _skin(rng), 0.6 * identity.skin.shine
    poses = [rng.normal(0, SOURCE_SIGMA_DEG), *(rng.uniform(-1, 1, (TARGETS, 3)) * TARGET_RANGE_DEG)]
    normals, shades = [], []
    for motion, pose in zip(still_motions(face.head.action_names, rng, 1 + TARGETS), poses, strict=True):
        rotation = head_rotation(*np.radians(pose))
        own = face.normals(identity.shape, rng.random() * motion.expression) @ torch.from_numpy(rotation).T
        linear = face.radiance(scene, rotation, own.numpy(), albedo, shine)
        normals.append(own)
        shades.append(NEAR @ torch.from_numpy(linear ** (1 / GAMMA)).float())
    normals, shades = torch.stack(normals), torch.stack(shades)
    seen = smoothstep(BARELY_SEEN, WELL_SEEN, normals[..., 2])
    grey = shades[0] * torch.exp(0.02 * NEAR @ torch.randn(NUM_FACE, generator=_generator(rng)) * 4)
    colour = grey[:, None].expand(-1, 3).clamp(0, 1)
    return LightPairs(
        colour=colour,
        seen=seen[0],
        light=fit_light(colour, normals[0], seen[0] * bare_skin()),
        normals=normals[0],
        turned=normals[1:],
        brightness=shades[:1].expand(TARGETS, -1),
        ratio=(shades[1:] / shades[:1]).log().clamp(-0.9, 0.9),
        weight=seen[:1] * seen[1:] * normals[1:, :, 2].clamp(0, 1),
    )


def _generator(rng: np.random.Generator) -> torch.Generator:
    return torch.Generator().manual_seed(int(rng.integers(2**31)))


def bare_skin() -> Tensor:
    """(468,) 1 for points of the skin, 0 for brows and lips."""
    bare = torch.ones(NUM_FACE)
    bare[[*BROWS, *LIP_OUTLINE, *LIP_RING]] = 0
    return bare


def _skin(rng: np.random.Generator) -> np.ndarray:
    """(468,) the skin's own linear brightness: a tone, darker brows and lips, patches, at times a beard."""
    canonical = load_topology().canonical.numpy()
    tone = float((SKIN_TONES[rng.integers(len(SKIN_TONES))] ** GAMMA) @ np.array(LUMINANCE)) * rng.uniform(0.8, 1.2)
    places = canonical / np.abs(canonical).max(0)
    log = PATCHES * (NEAR @ torch.randn(NUM_FACE, generator=_generator(rng))).numpy() * 4
    log += np.stack([places[:, 0] ** 2, places[:, 1], places[:, 2]], 1) @ rng.normal(0, BROAD_SKIN, 3) * GAMMA
    log[list(BROWS)] -= rng.uniform(0, 1.2)
    log[[*LIP_OUTLINE, *LIP_RING]] -= rng.uniform(0, 0.7)
    if rng.random() < 0.25:
        low = 1 / (1 + np.exp((canonical[:, 1] + 3.5) / 0.7))
        log -= rng.uniform(0, 0.9) * low
    return (tone * np.exp(log)).astype(np.float32)


def pairs_by_number() -> Callable[[int], LightPairs]:
    """What makes the person of a number."""
    face = ShadedFace(Head())
    return lambda number: shaded_person(face, number)


if __name__ == "__main__":
    make_people(__doc__, "shaded", 4000, PER_SHARD, pairs_by_number)
