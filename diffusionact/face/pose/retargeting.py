"""Recombination: the source's face shape with the driver's expression, pose and camera (the paper's Eq. 8)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...checks import check_choice, check_in_range
from ...types import CropTransform, FaceCoefficients, FacePose
from ..geometry.alignment import transform_points
from ..geometry.gaze import MAX_GAZE_RAD, pupils_from_gaze
from ..geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from ..readers.reader import FaceModel

CAMERAS = ("motion", "change", "source")


@dataclass(frozen=True)
class MotionOptions:
    """How the driver's motion is laid on the source.

    Attributes:
        relative: add the driver's change since its reference frame to the source's own pose and expression, instead of
            taking the driver's pose and expression as they are.
        expression_gain: factor on the driver's expression, or on its change.
        camera: the head's size and position in the image: "motion" takes the driver's, in relative motion its change;
            "change" lays the driver's change since the reference frame on the source's; "source" keeps the source's.
        turn_limit: a source whose own head is turned by more than this, degrees, keeps the rest of its turn in absolute
            motion; from twice as much on, a little more than the rest.

    Raises:
        ValueError: if there is no such camera, or the limit is out of range.
    """

    relative: bool = False
    expression_gain: float = 1.0
    camera: str = "motion"
    turn_limit: float = 180.0

    def __post_init__(self) -> None:
        check_choice("camera", self.camera, CAMERAS)
        check_in_range("turn_limit", self.turn_limit, 0.0, 180.0)

    @property
    def needs_reference(self) -> bool:
        """Whether the driver's reference frame counts."""
        return self.relative or self.camera == "change"


ABSOLUTE_MOTION = MotionOptions()


def recombine(
    face_model: FaceModel,
    source: FaceCoefficients,
    driver: FaceCoefficients,
    motion: MotionOptions = ABSOLUTE_MOTION,
    reference: FaceCoefficients | None = None,
) -> FaceCoefficients:
    """Coefficients of the source in the driver's pose.

    Absolute: s = mean + S_i shape(source) + S_e expression(driver), driver's rotation and camera (Eq. 8).
    Relative: the source's expression and rotation, changed as the driver's have since `reference`.
    The camera is as `MotionOptions.camera` says.

    Args:
        face_model: the model of all coefficients; limits the expression.
        source: one row.
        driver: B rows.
        motion: absolute or relative, and the gain.
        reference: the driver's frame that counts as the source's pose, one row; where the motion needs one.

    Returns:
        B rows.

    Raises:
        ValueError: if a reference is missing, or given where none is needed.
    """
    if motion.needs_reference != (reference is not None):
        raise ValueError(
            f"Expected a reference frame exactly for relative motion and the camera 'change', received {motion} and "
            f"{'no ' if reference is None else 'a '}reference; pass the driver's coefficients of the reference frame, "
            f"or None for absolute motion."
        )
    if motion.relative:
        expression = source.expression + motion.expression_gain * (driver.expression - reference.expression)
        rotation = _relative_rotation(source.rotation, driver.rotation, reference.rotation)
    else:
        expression = motion.expression_gain * driver.expression
        rotation = _limited_rotation(source.rotation, driver.rotation, math.radians(motion.turn_limit))
    return replace(
        driver,
        shape=source.shape.expand(len(driver.expression), -1),
        expression=face_model.limit_expression(expression),
        rotation=rotation,
        camera=_camera(motion, source.camera, driver.camera, reference),
    )


def _camera(motion: MotionOptions, source: Tensor, driver: Tensor, reference: FaceCoefficients | None) -> Tensor:
    if motion.camera == "source":
        return source.expand_as(driver)
    return _relative_camera(source, driver, reference.camera) if motion.needs_reference else driver


def face_pose(
    face_model: FaceModel, coefficients: FaceCoefficients, gaze: Tensor, found: Tensor, frame: CropTransform
) -> FacePose:
    """Draw coefficients as landmarks, with the pupils of `gaze` placed in their eyes (Eq. 9).

    Args:
        face_model: the model the coefficients belong to.
        coefficients: B rows.
        gaze: (B, 2) pitch, yaw in radians.
        found: (B,) bool, a driving face was seen.
        frame: B rows, camera's square -> landmark frame; must not turn the image.

    Returns:
        B rows, landmarks and pupils in px of the landmark frame.
    """
    landmarks = face_model.landmarks(coefficients, face_model.camera_size)
    pupils = pupils_from_gaze(landmarks, gaze)
    return FacePose(
        landmarks=transform_points(frame.matrix, landmarks),
        pupils=transform_points(frame.matrix, pupils),
        head_pose=face_model.head_pose(coefficients.rotation),
        gaze=gaze,
        found=found,
        coefficients=coefficients,
        frame=frame,
    )


def relative_gaze(source: Tensor, driver: Tensor, reference: Tensor) -> Tensor:
    """The source's gaze (1, 2), changed as the driver's (B, 2) has since the reference (1, 2); radians, clamped."""
    return (source + driver - reference).clamp(-MAX_GAZE_RAD, MAX_GAZE_RAD)


def _relative_rotation(source: Tensor, driver: Tensor, reference: Tensor) -> Tensor:
    """R_driver R_reference^T R_source, as axis-angle (B, 3)."""
    source_matrix, driver_matrix, reference_matrix = map(axis_angle_to_matrix, (source, driver, reference))
    return matrix_to_axis_angle(driver_matrix @ reference_matrix.transpose(1, 2) @ source_matrix)


def _limited_rotation(source: Tensor, driver: Tensor, limit: float) -> Tensor:
    """The driver's rotation, turned by what the source's own rotation has beyond a limit in radians; (B, 3)."""
    turn = source.norm(dim=-1, keepdim=True)
    if (turn <= limit).all():
        return driver
    undone = limit * (2 * limit / turn).clamp(max=1.0)  # the more a head is turned, the less is known of its far side
    kept = axis_angle_to_matrix(source * (1 - (undone / turn).clamp(max=1.0)))
    return matrix_to_axis_angle(kept @ axis_angle_to_matrix(driver))


def _relative_camera(source: Tensor, driver: Tensor, reference: Tensor) -> Tensor:
    """The source's scale times the driver's change of scale; its position moved as the driver's has in the image."""
    scale = source[:, :1] * driver[:, :1] / reference[:, :1]
    travel = driver[:, :1] * driver[:, 1:] - reference[:, :1] * reference[:, 1:]
    shift = (source[:, :1] * source[:, 1:] + travel) / scale
    return torch.cat([scale, shift], dim=-1)
