"""The open face model's named expression values as FLAME's expression: a least-squares table between the two.

Both face models move the same 51 inner landmarks; scaled to the same distance between the eyes, a named value is
given the FLAME expression whose landmarks move most alike. What FLAME's 50 values cannot do (a wink with one lid, a
puffed cheek) stays undone.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ....types import FaceCoefficients
from ...geometry.ibug68 import CONTOUR, EYES
from ..open.face_model import OpenFaceModel

# FLAME's 50 values have unit variance; a jaw turned by this much counts as one deviation.
JAW_SIGMA_RAD = 0.2
NUM_JAW = 3
# Landmarks move alike where they differ by less than this share of the distance between the eyes.
LANDMARK_SIGMA = 0.03
# A step small enough for the jaw's turn to be linear.
STEP = 1e-2


class PosedFace(Protocol):
    """What is needed of a face model here; `flame.FlameModel` is one."""

    name: str
    num_identity: int
    num_expression: int
    template: Tensor

    def points(self, coefficients: FaceCoefficients) -> Tensor:
        """(B, 68, 3)."""


def expression_of_names(face: PosedFace) -> Tensor:
    """Table (52, E): row n is the expression that moves the face's landmarks as the n-th named value does.

    min_c |J c - d|^2 / sigma_d^2 + |c / sigma_c|^2 with J the landmarks' motion under the face's expression and d
    their motion under the named value, in distances between the eyes.
    """
    motion, sigmas = _own_motion(face), torch.ones(face.num_expression)
    sigmas[-NUM_JAW:] = JAW_SIGMA_RAD
    design = motion.flatten(1).T * sigmas / LANDMARK_SIGMA
    wanted = _named_motion().flatten(1).T / LANDMARK_SIGMA
    normal = design.T @ design + torch.eye(face.num_expression)
    return (torch.linalg.solve(normal, design.T @ wanted) * sigmas[:, None]).T.contiguous()


def _own_motion(face: PosedFace) -> Tensor:
    """(E, 51, 3) motion of the inner landmarks under one unit of each expression value, in eye distances."""
    device, count = face.template.device, face.num_expression
    with torch.no_grad():
        values = torch.cat([torch.zeros(1, count), STEP * torch.eye(count)]).to(device)
        still = torch.zeros(count + 1, 3, device=device)
        shape = torch.zeros(count + 1, face.num_identity, device=device)
        points = face.points(FaceCoefficients(shape, values, still, still, face.name)).cpu()
    return ((points[1:] - points[:1]) / STEP / _eye_distance(points[0]))[:, len(CONTOUR) :]


def _named_motion() -> Tensor:
    """(52, 51, 3) motion of the open face model's inner landmarks under each named value, in eye distances."""
    model = OpenFaceModel.from_bundled()
    return (model.expression_basis / _eye_distance(model.mean))[:, len(CONTOUR) :]


def _eye_distance(points: Tensor) -> Tensor:
    """Distance between the middles of the eyes of landmarks (68, 3)."""
    right, left = (points[list(eye)].mean(0) for eye in EYES)
    return (left - right).norm()
