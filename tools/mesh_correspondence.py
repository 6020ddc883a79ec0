"""Where MediaPipe's face mesh lies on the MakeHuman head, as its network sees it.

Portraits with known geometry are rendered and tracked; the surface under each tracked point, averaged over people and
poses, is that point's place on the template head. Lids and lips are read where they are apart: lid margins at the
border of the eyeball, lips from portraits with an open mouth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from diffusionact.face.readers.open.landmarker import FaceLandmarker
from portraits.camera import Camera, Jitter
from portraits.frames import sample_portrait
from portraits.geometry import unit_sphere, vertex_normals
from portraits.head import SKIN, Head, PosedHead
from portraits.motion import ActionVector, FrameMotion
from portraits.rasteriser import rasterise

NUM_SKIN_POINTS = 468
RENDER_SIDE, MAP_SIDE = 512, 1024  # px of the tracked portrait, of the map of its geometry
SEED = 478
POSES_DEG = ((0, 0), (28, 0), (-28, 0), (0, 18), (0, -18))  # yaw, pitch
JAW_OPEN = 0.4
REACH = 40  # px of the map within which a point finds the surface that it may lie on
EYE_RINGS = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
)
LIPS = (
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146,
    76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306, 307, 320, 404, 315, 16, 85, 180, 90, 77,
    62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292, 325, 319, 403, 316, 15, 86, 179, 89, 96,
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95,
)  # fmt: skip


@dataclass(frozen=True)
class Correspondence:
    """Mesh point i lies at sum_k weights[i, k] * template[corners[i, k]]: corners (468, 3), weights (468, 3)."""

    corners: np.ndarray
    weights: np.ndarray

    def on(self, vertices: np.ndarray) -> np.ndarray:
        """Values (468, C) of the mesh points, from values of the head's vertices (N, C)."""
        return (vertices[self.corners] * self.weights[..., None]).sum(1)


class SurfaceMap:
    """What lies under each pixel of a posed head without hair: template position, facing, and whether it counts."""

    def __init__(self, head: Head, posed: PosedHead, camera: Camera):
        sphere, sphere_faces = unit_sphere()
        skin = head.part == SKIN
        count = len(posed.vertices)
        world = [posed.vertices] + [eye.centre + eye.radius * sphere for eye in posed.eyes]
        balls = [sphere_faces + count, sphere_faces + count + len(sphere)]
        faces = np.concatenate([head.faces, *balls]).astype(np.int32)
        screen = camera.screen(np.concatenate(world).astype(np.float32), MAP_SIDE)
        pixel, triangle, bary = rasterise(screen, faces, MAP_SIDE, np.zeros(len(faces), bool))
        on_head = triangle < len(head.faces)
        corners = head.faces[np.where(on_head, triangle, 0)]
        inside = head.vertex_masks[:, head.mask_names.index("inside-mouth")]
        mouth = (inside[corners] * bary).sum(1) > 0.5
        usable = on_head & skin[np.where(on_head, triangle, 0)] & ~mouth
        normals = vertex_normals(posed.vertices, head.faces)
        facing = (normals[corners][..., 2] * bary).sum(1)
        self.template = np.zeros((MAP_SIDE * MAP_SIDE, 3), np.float32)
        self.facing = np.zeros(MAP_SIDE * MAP_SIDE, np.float32)
        self.template[pixel] = (head.template[corners] * bary[..., None]).sum(1)
        self.facing[pixel] = np.where(usable, facing, 0)
        ball = np.zeros(MAP_SIDE * MAP_SIDE, bool)
        ball[pixel[~on_head]] = True
        ball = torch.from_numpy(ball.reshape(1, 1, MAP_SIDE, MAP_SIDE)).float()
        near_ball = torch.nn.functional.max_pool2d(ball, 5, 1, 2)[0, 0].numpy() > 0
        self.usable = (self.facing > 0.05).reshape(MAP_SIDE, MAP_SIDE)
        self.margin = self.usable & near_ball
        self.template = self.template.reshape(MAP_SIDE, MAP_SIDE, 3)
        self.facing = self.facing.reshape(MAP_SIDE, MAP_SIDE)

    def under(self, point: np.ndarray, allowed: np.ndarray) -> tuple[np.ndarray, float]:
        """Template position (3,) and facing at the allowed pixel nearest to `point` (map px); facing 0 if none."""
        x, y = np.rint(point).astype(int)
        if not (0 <= x < MAP_SIDE and 0 <= y < MAP_SIDE):
            return np.zeros(3), 0.0
        x0, y0 = max(x - REACH, 0), max(y - REACH, 0)
        window = allowed[y0 : y + REACH + 1, x0 : x + REACH + 1]
        rows, columns = np.nonzero(window)
        if not len(rows):
            return np.zeros(3), 0.0
        nearest = np.argmin((columns + x0 - point[0]) ** 2 + (rows + y0 - point[1]) ** 2)
        place = rows[nearest] + y0, columns[nearest] + x0
        return self.template[place], float(self.facing[place])


def observe(head: Head, landmarker: FaceLandmarker, person: int, pose_deg: tuple[float, float], jaw: float):
    """Template positions (468, 3) and their trust (468,) from one portrait; None where no face is found."""
    portrait = sample_portrait(head, np.random.default_rng((SEED, person)))
    expression = np.zeros(len(head.action_names), np.float32)
    ActionVector(head.action_names, expression).set("jawOpen", jaw)
    motion = FrameMotion(np.radians([*pose_deg, 0.0]), np.zeros(2), expression, Jitter(log_scale=0.15))
    posed = PosedHead(head, portrait.identity.shape, motion.expression, motion.head_pose, motion.eye_turn)
    camera = Camera(posed, portrait.scene.distance, motion.jitter)
    image, _ = portrait.render(posed, camera, RENDER_SIDE)
    with torch.no_grad():
        faces = landmarker(torch.from_numpy(image)[None])[0]
    if len(faces) == 0:
        return None
    surface = SurfaceMap(head, posed, camera)
    # Landmarks have integer pixel centres; the map has twice their resolution.
    scale = MAP_SIDE / RENDER_SIDE
    points = (faces.points[0, :NUM_SKIN_POINTS, :2].numpy() + 0.5) * scale - 0.5
    rings = np.isin(np.arange(NUM_SKIN_POINTS), np.concatenate(EYE_RINGS))
    found = [
        surface.under(p, surface.margin if ring else surface.usable) for p, ring in zip(points, rings, strict=True)
    ]
    positions, facing = zip(*found, strict=True)
    return np.stack(positions), np.array(facing) ** 2


def mirror_pairs(vertices: np.ndarray) -> np.ndarray:
    """For each vertex (N, 3) of a symmetric mesh the index of its mirror image in x."""
    mirrored = vertices * [-1, 1, 1]
    return ((mirrored[:, None] - vertices) ** 2).sum(-1).argmin(1)


def find_correspondence(head: Head, canonical: np.ndarray, people: int) -> Correspondence:
    """Track `people` portraits in every pose and average; left and right are made alike."""
    landmarker = FaceLandmarker().eval()
    is_lip = np.isin(np.arange(NUM_SKIN_POINTS), LIPS)
    total, weight = np.zeros((NUM_SKIN_POINTS, 3)), np.zeros(NUM_SKIN_POINTS)
    for person in range(people):
        for pose in POSES_DEG:
            for jaw, wanted in ((0.0, ~is_lip), (JAW_OPEN, is_lip)):
                if jaw and pose[0]:
                    continue  # the far corner of a turned mouth is hidden
                seen = observe(head, landmarker, person, pose, jaw)
                if seen is not None:
                    trust = seen[1] * wanted
                    total += trust[:, None] * seen[0]
                    weight += trust
    mean = total / np.maximum(weight, 1e-9)[:, None]
    mean = (mean + mean[mirror_pairs(canonical)] * [-1, 1, 1]) / 2
    return snap(head, mean)


def snap(head: Head, points: np.ndarray) -> Correspondence:
    """The nearest places on the template's outer skin to points (468, 3)."""
    inside = head.vertex_masks[:, head.mask_names.index("inside-mouth")]
    faces = head.faces[(head.part == SKIN) & (inside[head.faces].max(1) < 0.5)]
    steps = np.array([(i, j, 8 - i - j) for i in range(9) for j in range(9 - i)]) / 8
    samples = np.einsum("sk,tkc->tsc", steps, head.template[faces]).reshape(-1, 3)
    nearest = np.array([((samples - point) ** 2).sum(1).argmin() for point in points])
    return Correspondence(faces[nearest // len(steps)], steps[nearest % len(steps)])
