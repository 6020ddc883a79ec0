"""FLAME head: coefficients to a mesh, to 68 landmarks and their pixels; batched and differentiable.

Linear blend skinning over five joints (Li et al. 2017): root, neck, jaw, two eyes; neck and eyes stay at rest, as in
DECA and EMOCA. The head frame is that of `face/geometry/rotations.py`: x to the image's right, y up, z toward the
camera; the unit is the metre. Held against the official code on a synthetic head in
tests/face/readers/emoca/test_emoca_flame.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from ....types import FaceCoefficients
from ...geometry.crop_frame import CROP_SIZE
from ...geometry.projection import project
from ...geometry.rotations import axis_angle_to_matrix, head_pose_to_matrix, matrix_to_axis_angle, matrix_to_head_pose
from .named_expression import expression_of_names

NUM_SHAPE = 100
NUM_EXPRESSION = 50
NUM_JAW = 3
NUM_JOINTS = 5
JAW_JOINT = 2
# The contour has a row of vertices for each whole degree of yaw: 0 to 39 one way, then 1 to 39 the other.
NUM_CONTOUR_ROWS = 79
MAX_CONTOUR_DEG = 39
NUM_CONTOUR = 17
NUM_INNER = 51
FLOAT_BUFFERS = (
    "template",
    "shape_directions",
    "expression_directions",
    "pose_directions",
    "joint_regressor",
    "skinning_weights",
    "contour_weights",
    "inner_weights",
)
INTEGER_BUFFERS = ("parents", "contour_vertices", "inner_vertices")


@dataclass(frozen=True)
class FlameTensors:
    """What makes a FLAME head; V vertices.

    Attributes:
        template: (V, 3) metres.
        shape_directions: (V, 3, 100).
        expression_directions: (V, 3, 50).
        pose_directions: (36, 3 V): what each entry of the four joints' rotation matrices adds.
        joint_regressor: (5, V).
        skinning_weights: (V, 5).
        parents: (5,) int64, parent of each joint; -1 for the root.
        contour_vertices: (79, 17, 3) int64, corners of the triangles of the contour, a row a degree of yaw.
        contour_weights: (79, 17, 3), barycentric.
        inner_vertices: (51, 3) int64, corners of the triangles of landmarks 17 to 67.
        inner_weights: (51, 3), barycentric.
    """

    template: Tensor
    shape_directions: Tensor
    expression_directions: Tensor
    pose_directions: Tensor
    joint_regressor: Tensor
    skinning_weights: Tensor
    parents: Tensor
    contour_vertices: Tensor
    contour_weights: Tensor
    inner_vertices: Tensor
    inner_weights: Tensor


class FlameModel(nn.Module):
    """The FLAME head with the landmark embedding of DECA and EMOCA.

    `FaceCoefficients` here: shape (B, 100); expression (B, 53), 50 values and the jaw's axis-angle; rotation (B, 3),
    the head's axis-angle; camera (B, 3) in the 224 px crop. See `FaceModel`.
    """

    name = "flame"
    camera_size = CROP_SIZE
    expression_names = ()
    num_expression = NUM_EXPRESSION + NUM_JAW

    def __init__(self, tensors: FlameTensors):
        super().__init__()
        _check_fitting(tensors)
        for name in FLOAT_BUFFERS:
            self.register_buffer(name, getattr(tensors, name).float())
        for name in INTEGER_BUFFERS:
            self.register_buffer(name, getattr(tensors, name).long())

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> FlameModel:
        """The model of a file's tensors, whose names are those of `FlameTensors`."""
        return cls(FlameTensors(**state)).eval()

    @property
    def num_identity(self) -> int:
        """Number of shape coefficients."""
        return self.shape_directions.shape[-1]

    def landmarks(self, coefficients: FaceCoefficients, size: int = 224) -> Tensor:
        """Landmarks (B, 68, 2) px in a crop of `size`; the official maps are drawn with those of 224."""
        return project(self.points(coefficients), coefficients.camera, size)

    def points(self, coefficients: FaceCoefficients) -> Tensor:
        """Landmarks (B, 68, 3) in the head frame, after rotation: 17 of the contour that is seen, and 51 fixed ones."""
        vertices = self.vertices(coefficients)
        rows = contour_row(axis_angle_to_matrix(coefficients.rotation))
        contour = _on_triangles(vertices, self.contour_vertices[rows], self.contour_weights[rows])
        batch = len(vertices)
        inner = self.inner_vertices.expand(batch, -1, -1), self.inner_weights.expand(batch, -1, -1)
        return torch.cat([contour, _on_triangles(vertices, *inner)], dim=1)

    def vertices(self, coefficients: FaceCoefficients) -> Tensor:
        """Mesh (B, V, 3) in the head frame, after rotation, before the camera."""
        values, jaw = coefficients.expression.split([NUM_EXPRESSION, NUM_JAW], dim=-1)
        shaped = self.template + torch.einsum("bk,vik->bvi", coefficients.shape, self.shape_directions)
        shaped = shaped + torch.einsum("bk,vik->bvi", values, self.expression_directions)
        rest = torch.eye(3, dtype=shaped.dtype, device=shaped.device).expand(len(shaped), 3, 3)
        rotations = [rest] * NUM_JOINTS
        rotations[0], rotations[JAW_JOINT] = axis_angle_to_matrix(coefficients.rotation), axis_angle_to_matrix(jaw)
        bent = torch.stack([rotation - rest for rotation in rotations[1:]], dim=1).flatten(1)
        posed = shaped + (bent @ self.pose_directions).view_as(shaped)
        linear, shift = self._skinning_transforms(rotations, self.joint_regressor @ shaped)
        return torch.einsum("bvij,bvj->bvi", linear, posed) + shift

    def head_pose(self, rotation: Tensor) -> Tensor:
        """Yaw, pitch, roll (B, 3) in degrees, convention of `face/geometry/rotations.py`, of axis-angles (B, 3)."""
        return matrix_to_head_pose(axis_angle_to_matrix(rotation))

    def rotation(self, head_pose: Tensor) -> Tensor:
        """Axis-angle (B, 3) of yaw, pitch, roll in degrees (B, 3)."""
        return matrix_to_axis_angle(head_pose_to_matrix(head_pose))

    def limit_expression(self, expression: Tensor) -> Tensor:
        """The same values: FLAME's expression has no limits."""
        return expression

    def named_expression(self, change: Tensor) -> Tensor:
        """Expression (B, 53) that moves the face as a change (B, 52) of named values does; see `named_expression`."""
        return change @ self._of_names.to(change)

    def jaw_open(self, expression: Tensor) -> Tensor:
        """How far the jaw hangs (B,), radians, of expressions (B, 53)."""
        return expression[:, NUM_EXPRESSION]

    @cached_property
    def _of_names(self) -> Tensor:
        return expression_of_names(self)

    def _skinning_transforms(self, rotations: list[Tensor], joints: Tensor) -> tuple[Tensor, Tensor]:
        """What moves each vertex: (B, V, 3, 3) and (B, V, 3), from rotations at joints (B, 5, 3) at rest."""
        turns, positions = [rotations[0]], [joints[:, 0]]
        for joint, parent in enumerate(self.parents.tolist()[1:], start=1):
            step = (turns[parent] @ (joints[:, joint] - joints[:, parent])[..., None])[..., 0]
            turns.append(turns[parent] @ rotations[joint])
            positions.append(positions[parent] + step)
        turn, position = torch.stack(turns, dim=1), torch.stack(positions, dim=1)
        shift = position - (turn @ joints[..., None])[..., 0]
        weights = self.skinning_weights
        return torch.einsum("vj,bjmn->bvmn", weights, turn), torch.einsum("vj,bjm->bvm", weights, shift)


def contour_row(rotation: Tensor) -> Tensor:
    """Row (B,) int64 of the contour table that heads of rotations (B, 3, 3) show.

    The yaw in whole degrees, half to even, at most 39; the other way rows 40 to 78 stand for 1 to 39 degrees. Source:
    DECA's FLAME, whose sign is kept.
    """
    cosine = (rotation[:, 0, 0].square() + rotation[:, 1, 0].square()).sqrt()
    yaw = torch.rad2deg(torch.atan2(-rotation[:, 2, 0], cosine)).clamp(-MAX_CONTOUR_DEG, MAX_CONTOUR_DEG).round().long()
    return torch.where(yaw < 0, MAX_CONTOUR_DEG - yaw, yaw)


def official_angles(rotation: Tensor) -> Tensor:
    """The authors' head angles (B, 3): yaw, pitch, roll in degrees, for figures that compare with theirs.

    Of the matrix R: yaw = asin(R20), pitch = atan2(R21, R22), roll = atan2(R10, R00); yaw has the opposite sign of
    `FlameModel.head_pose`. The authors' function keeps only the last row of a batch and fails near yaw = 90 degrees;
    this one does neither.

    Args:
        rotation: (B, 3) axis-angle, radians.
    """
    matrix = axis_angle_to_matrix(rotation)
    yaw = matrix[:, 2, 0].clamp(-1.0, 1.0).asin()
    pitch = torch.atan2(matrix[:, 2, 1], matrix[:, 2, 2])
    roll = torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0])
    return torch.rad2deg(torch.stack([yaw, pitch, roll], dim=-1))


def _check_fitting(tensors: FlameTensors) -> None:
    """Raise ValueError unless all shapes are those of one head, and all indices lie inside it."""
    vertices = len(tensors.template)
    expected = {
        "template": (vertices, 3),
        "shape_directions": (vertices, 3, NUM_SHAPE),
        "expression_directions": (vertices, 3, NUM_EXPRESSION),
        "pose_directions": ((NUM_JOINTS - 1) * 9, vertices * 3),
        "joint_regressor": (NUM_JOINTS, vertices),
        "skinning_weights": (vertices, NUM_JOINTS),
        "parents": (NUM_JOINTS,),
        "contour_vertices": (NUM_CONTOUR_ROWS, NUM_CONTOUR, 3),
        "contour_weights": (NUM_CONTOUR_ROWS, NUM_CONTOUR, 3),
        "inner_vertices": (NUM_INNER, 3),
        "inner_weights": (NUM_INNER, 3),
    }
    for name, shape in expected.items():
        received = tuple(getattr(tensors, name).shape)
        if received != shape:
            raise ValueError(
                f"Expected {name} of a FLAME head with {vertices} vertices as {shape}, received {received}; import the "
                f"head and its landmark embedding again, both from the authors' files."
            )
    parents = tensors.parents.tolist()
    if parents[0] != -1 or not all(0 <= parent < joint for joint, parent in enumerate(parents[1:], start=1)):
        raise ValueError(
            f"Expected parents of a FLAME head as -1 and then joints that come before, received {parents}; import the "
            f"head again from the authors' files."
        )
    for name in ("contour_vertices", "inner_vertices"):
        low, high = getattr(tensors, name).aminmax()
        if low < 0 or high >= vertices:
            raise ValueError(
                f"Expected {name} in 0 to {vertices - 1}, received {int(low)} to {int(high)}; the landmark embedding "
                f"belongs to another mesh: import the one of DECA or EMOCA."
            )


def _on_triangles(vertices: Tensor, corners: Tensor, weights: Tensor) -> Tensor:
    """Points (B, N, 3) at barycentric weights (B, N, 3) of triangles whose corners are rows (B, N, 3) of the mesh."""
    batch = torch.arange(len(vertices), device=vertices.device)[:, None, None]
    return (vertices[batch, corners] * weights[..., None]).sum(2)
