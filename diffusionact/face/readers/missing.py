"""What stands in for frames without a face: an error, the last face seen, or a blend across the gap.

Works on a lazy sequence and remembers one observation and a count, never frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from typing import TypeVar

import torch

from ...types import FaceObservation
from ..errors import NoFaceFoundError
from ..geometry.rotations import axis_angle_to_matrix, head_pose_to_matrix, matrix_to_axis_angle, matrix_to_head_pose

T = TypeVar("T")

MISSING_POLICIES = ("error", "hold", "interpolate")
REMEDY = "Crop tighter, choose an image in which the face is larger and brighter, or lower the detection threshold."


def fill_missing_faces(
    observations: Iterable[FaceObservation | None], missing: str, num_frames: int | None = None
) -> Iterator[FaceObservation]:
    """Yield one observation per frame, in order.

    A gap at the beginning takes the first face seen, a gap at the end the last one. Filled rows have `found` False and
    confidence 0.

    Args:
        observations: one row each; None where no face was seen.
        missing: "error", "hold" or "interpolate".
        num_frames: length of the clip if known, for messages.

    Raises:
        NoFaceFoundError: in a frame without a face if `missing` is "error", or if no frame shows a face.
    """
    return fill_gaps(observations, missing, as_filled, blend, num_frames)


def fill_gaps(
    values: Iterable[T | None],
    missing: str,
    mark: Callable[[T], T],
    between: Callable[[T, T, float], T],
    num_frames: int | None = None,
) -> Iterator[T]:
    """`fill_missing_faces` for any value.

    Args:
        values: one per frame; None where no face was seen.
        missing, num_frames: as there.
        mark: the same value, marked as not seen.
        between: value between two others at a share of the way, marked as not seen.
    """
    last, gap, index = None, 0, -1
    for index, value in enumerate(values):
        if value is None:
            if missing == "error":
                raise NoFaceFoundError(no_face_message(index, num_frames))
            if missing == "hold" and last is not None:
                yield mark(last)
            else:
                gap += 1
            continue
        for step in range(gap):
            yield mark(value) if last is None else between(last, value, (step + 1) / (gap + 1))
        yield value
        last, gap = value, 0
    if last is None and gap:
        if gap == 1:
            raise NoFaceFoundError(no_face_message(0, 1))
        raise NoFaceFoundError(f"No face found in any of the {gap} driving frames. {REMEDY}")
    for _ in range(gap):
        yield mark(last)


def no_face_message(index: int, num_frames: int | None) -> str:
    """Message for one frame without a face; frames are counted from 1 for the reader."""
    if num_frames == 1:
        return f"No face found in the image. {REMEDY}"
    position = f"frame {index + 1}" if num_frames is None else f"frame {index + 1} of {num_frames}"
    return f"No face found in driving {position}. {REMEDY}"


def as_filled(observation: FaceObservation) -> FaceObservation:
    """The same values, marked as not seen."""
    return replace(
        observation,
        confidence=torch.zeros_like(observation.confidence),
        found=torch.zeros_like(observation.found),
    )


def blend(before: FaceObservation, after: FaceObservation, share: float) -> FaceObservation:
    """Observation between two others: points, expression and gaze on a line, the head on the shortest turn.

    Args:
        before, after: one row each.
        share: 0 gives `before`, 1 `after`.
    """
    changes = {
        field.name: torch.lerp(getattr(before, field.name), getattr(after, field.name), share)
        for field in fields(FaceObservation)
        if field.name not in ("head_pose", "found")
    }
    start, end = head_pose_to_matrix(before.head_pose), head_pose_to_matrix(after.head_pose)
    turn = matrix_to_axis_angle(start.transpose(1, 2) @ end)
    head_pose = matrix_to_head_pose(start @ axis_angle_to_matrix(share * turn))
    return as_filled(FaceObservation(**changes, head_pose=head_pose, found=before.found))
