"""Motion scripts -> poses of a source, one row per frame, made as they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..face.expression_names import EXPRESSION_NAMES
from ..face.geometry.gaze import MAX_GAZE_RAD
from ..face.pose.editing import SLIDER_VALUES, PoseEdit, slider_change, source_pose
from ..face.pose.retargeting import face_pose
from ..face.readers.reader import FaceModel, check_face_model
from ..types import FacePose, SourceCodes
from .channels import EXPRESSIONS, GAZE, HEAD, PLACE


def script_poses(
    face_model: FaceModel, source: SourceCodes, frames: Iterable[Mapping[str, float]]
) -> Iterator[FacePose]:
    """The source's own pose with the values of each frame added to it.

    Args:
        face_model: the model that read the source.
        source: is moved.
        frames: values by channel, such as a `Timeline`.

    Raises:
        ValueError: if the source was encoded with another face model.
    """
    rest = source_pose(face_model, source)
    return (moved_pose(face_model, rest, values) for values in frames)


def moved_pose(face_model: FaceModel, pose: FacePose, values: Mapping[str, float]) -> FacePose:
    """A pose of one row with values added to it by channel.

    Raises:
        ValueError: if the pose belongs to another face model.
    """
    coefficients = pose.coefficients
    check_face_model(face_model, coefficients, "a pose")
    head, gaze, place = ([values.get(name, 0.0) for name in names] for names in (HEAD, GAZE, PLACE))
    turned = face_model.head_pose(coefficients.rotation) + coefficients.rotation.new_tensor([head])
    change = face_model.named_expression(_expression_change(values).to(coefficients.expression))
    # Gaze angles point to the image's left.
    looked = pose.gaze + torch.deg2rad(pose.gaze.new_tensor([[gaze[1], -gaze[0]]]))
    moved = replace(
        coefficients,
        rotation=face_model.rotation(turned),
        expression=face_model.limit_expression(coefficients.expression + change),
        camera=_moved_camera(coefficients.camera, place),
    )
    return face_pose(face_model, moved, looked.clamp(-MAX_GAZE_RAD, MAX_GAZE_RAD), pose.found, pose.frame)


def _expression_change(values: Mapping[str, float]) -> Tensor:
    """(1, 52): the sliders', and the values given by their own names."""
    change = slider_change(PoseEdit(**{name: value for name, value in values.items() if name in SLIDER_VALUES}))
    for name in EXPRESSIONS:
        change[0, EXPRESSION_NAMES.index(name)] += values.get(name, 0.0)
    return change


def _moved_camera(camera: Tensor, place: list[float]) -> Tensor:
    """Cameras (1, 3) scale, t_x, t_y; a point lies at scale * (point + t) in a square of side 2."""
    right, up, zoom = (value / 100 for value in place)
    scale = camera[:, :1] * (1 + zoom)
    shift = camera[:, :1] * camera[:, 1:] + 2 * camera.new_tensor([[right, up]])
    return torch.cat([scale, shift / scale], dim=-1)
