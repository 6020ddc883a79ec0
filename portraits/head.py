"""The MakeHuman head: asset reader, and the posed head of one frame (expression, neck chain, eyeballs, landmarks)."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load

from .geometry import head_rotation, rotation_power, unit_sphere
from .rasteriser import sample_images

ASSETS = Path(__file__).parent / "assets"
SKIN, TEETH_UPPER, TEETH_LOWER, TONGUE, CLOTH = 0, 3, 4, 6, 8
LEFT_EYE, RIGHT_EYE, GLASSES = 9, 10, 11  # labels of drawn things that are no part of the mesh
# Share of the head's turn that each bone of the neck takes, torso first.
NECK_SHARE = (0.0, 0.25, 0.5, 0.75, 1.0)
TORSO_SHARE = (0.25, 0.1, 0.1)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a gzip-compressed safetensors file."""
    return load(gzip.decompress(path.read_bytes()))


class Head:
    """Template mesh and its bases. Vertices are the mesh followed by the joints; `mesh_size` splits them."""

    def __init__(self, assets: Path = ASSETS) -> None:
        arrays = load_arrays(assets / "head.safetensors.gz")
        text = json.loads((assets / "head.json").read_text())
        self.vertices = arrays["vertices"]
        self.joints = text["joints"]
        self.mesh_size = len(arrays["base_index"])
        self.uv = arrays["uv"]
        self.skinning = arrays["skinning"]
        self._read_targets(arrays, text["targets"])
        self._read_faces(arrays)
        self.mask_names = text["masks"]
        self.masks = arrays["masks"].astype(np.float32) / 255
        self.landmark_vertices = np.array([p["vertices"] for p in text["landmarks68"]])
        self.landmark_weights = np.array([p["weights"] for p in text["landmarks68"]], np.float32)[..., None]
        self.template = self.vertices[: self.mesh_size]
        self.template_landmarks = self.landmarks(self.template)
        vertex_uv = np.zeros((self.mesh_size, 2), np.float32)
        vertex_uv[self.faces] = self.uv[self.uv_faces]
        self.vertex_masks = sample_images(self.masks, vertex_uv)
        self.ear = self.vertex_masks[:, self.mask_names.index("ears")]
        self.scalp = self._scalp_faces()
        self.sphere, self.sphere_faces = unit_sphere()
        transfer = assets / "light_transfer.safetensors.gz"
        if transfer.exists():
            light = load_arrays(transfer)
            self.light_transfer = light["transfer"].astype(np.float32)
            self.openness = light["openness"].astype(np.float32)

    def _read_targets(self, arrays: dict[str, np.ndarray], names: list[str]) -> None:
        shifts = np.zeros((len(names), *self.vertices.shape), np.float32)
        index = arrays["target_index"].astype(np.int64)
        shifts[index[:, 0], index[:, 1]] = arrays["target_shift"].astype(np.float32)
        is_action = np.array([name.startswith("act/") for name in names])
        self.action_names = [name[4:] for name in names if name.startswith("act/")]
        self.shape_names = [name for name in names if not name.startswith("act/")]
        self.actions = shifts[is_action].reshape(len(self.action_names), -1)
        self.shapes = shifts[~is_action].reshape(len(self.shape_names), -1)

    def _read_faces(self, arrays: dict[str, np.ndarray]) -> None:
        faces, part = arrays["faces"], arrays["part"]
        # The eye helper gives each eyeball's radius; the drawn eyeball is a sphere.
        self.eye_vertices = [np.unique(faces[part == 1]), np.unique(faces[part == 2])]
        drawn = np.isin(part, (SKIN, TEETH_UPPER, TEETH_LOWER, TONGUE))
        self.faces, self.uv_faces = faces[drawn], arrays["uv_faces"][drawn]
        self.part = part[drawn]
        self.cloth_faces = faces[part == CLOTH]

    def _scalp_faces(self) -> np.ndarray:
        skin = self.faces[self.part == SKIN]
        centre = self.template[skin].mean(1)
        behind = (centre[:, 2] < 1.0) | (centre[:, 1] > 7.45)
        return skin[(centre[:, 1] > 6.5) & (self.ear[skin].max(1) < 0.3) & behind]

    def landmarks(self, vertices: np.ndarray) -> np.ndarray:
        """The 68 points (68,3) on a deformed mesh (N,3)."""
        return (vertices[self.landmark_vertices] * self.landmark_weights).sum(1)

    def joint(self, vertices: np.ndarray, name: str) -> np.ndarray:
        """Place (3,) of a joint."""
        return vertices[self.mesh_size + self.joints.index(name)]


@dataclass(frozen=True)
class Eyeball:
    """A posed eye: centre (3,), radius, optical axis (3,), rotation (3,3) of the eye."""

    centre: np.ndarray
    radius: float
    axis: np.ndarray
    rotation: np.ndarray

    @property
    def iris(self) -> np.ndarray:
        """Centre of the iris (3,)."""
        return self.centre + self.radius * self.axis


class PosedHead:
    """One frame's geometry in the world of the camera.

    Args:
        head: the asset.
        shape: (N+J,3) identity's rest vertices and joints.
        expression: (52,) weights of the facial actions in [0,1].
        head_pose: yaw, pitch, roll, radians.
        eye_turn: yaw, pitch of the eyes in the head, radians, in the sense of the head's angles.
    """

    def __init__(self, head: Head, shape: np.ndarray, expression: np.ndarray, head_pose, eye_turn) -> None:
        shift = (expression.astype(np.float32) @ head.actions).reshape(-1, 3)
        for eye in head.eye_vertices:
            shift[eye] = 0
        rest = shape + shift
        self.rotation = head_rotation(*head_pose)
        self._place_bones(head, rest, head_pose)
        self.vertices = self.skin(rest[: head.mesh_size], head.skinning)
        self.landmarks = head.landmarks(self.vertices)
        eye_rotation = self.rotation @ head_rotation(eye_turn[0], eye_turn[1], 0)
        self.eyes = []
        for name, vertices in zip(("eyeL", "eyeR"), head.eye_vertices, strict=True):
            centre = head.joint(rest, name)
            radius = float(np.linalg.norm(rest[vertices] - centre, axis=1).mean())
            self.eyes.append(Eyeball(self.follow_head(centre[None])[0], radius, eye_rotation[:, 2], eye_rotation))
        self.midpoint = (self.eyes[0].centre + self.eyes[1].centre) / 2

    def _place_bones(self, head: Head, rest: np.ndarray, head_pose) -> None:
        torso = head_rotation(*(share * angle for share, angle in zip(TORSO_SHARE, head_pose, strict=True)))
        turn = torso.T @ self.rotation
        self._rotations = np.stack([torso @ rotation_power(turn, share) for share in NECK_SHARE])
        chain = [head.joint(rest, name) for name in ("neck01", "neck01", "neck02", "neck03", "head")]
        positions = [chain[0], chain[0]]
        for bone in range(1, 4):
            positions.append(self._rotations[bone] @ (chain[bone + 1] - chain[bone]) + positions[bone])
        # x -> R x + offset, with offset = position - R joint
        self._offsets = np.stack(
            [position - r @ joint for position, r, joint in zip(positions, self._rotations, chain, strict=True)]
        )

    def skin(self, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Points (N,3) of the rest pose moved by the bones with weights (N,5)."""
        blended = (weights @ self._rotations.reshape(5, 9)).reshape(-1, 3, 3)
        return np.einsum("nij,nj->ni", blended, points) + weights @ self._offsets

    def follow_head(self, points: np.ndarray) -> np.ndarray:
        """Points (N,3) fixed to the skull."""
        return points @ self._rotations[-1].T + self._offsets[-1]
