"""How a driving clip is read, as inputs of a node and as the library's `PoseOptions`."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ...diffusionact import PoseOptions
from .compatibility import ADVANCED
from .face_choice import DRIVING_FACES, chosen_face, face_inputs

MISSING_FACES = ("interpolate", "hold", "error")
# What moves the head -> the library's crop of the driver.
HEAD_MOTIONS = {"turn": "frame", "turn, lean and move": "clip"}

MOTION_INPUTS: list[io.Input] = [
    *face_inputs(DRIVING_FACES, "Which face drives. follow stays with the largest face of the first frame."),
    io.Combo.Input(
        "missing_face",
        options=list(MISSING_FACES),
        default="interpolate",
        tooltip="Frames without a face: interpolate between the faces around them, hold the last one, or stop with an "
        "error.",
    ),
    io.Boolean.Input(
        "relative_motion",
        default=False,
        tooltip="On: the driver's change since the reference frame is added to the source's own pose and expression. "
        "Off: the driver's pose and expression as they are.",
    ),
    io.Int.Input(
        "reference_frame",
        default=0,
        min=0,
        max=1_000_000,
        step=1,
        tooltip="With relative motion: the driving frame, counted from 0, that looks most like the source. It need not "
        "be the first.",
    ),
    io.Float.Input(
        "smoothing",
        default=0.3,
        min=0.0,
        max=1.0,
        step=0.05,
        tooltip="Against jitter: 0 is off, 1 is strong. Quick motion is hardly delayed.",
    ),
    io.Float.Input(
        "expression_gain",
        default=1.0,
        min=0.0,
        max=3.0,
        step=0.05,
        tooltip="Multiplies the driver's expression.",
        extra_dict=ADVANCED,
    ),
    io.Combo.Input(
        "head_motion",
        options=list(HEAD_MOTIONS),
        default="turn",
        tooltip="turn carries over where the head looks, as the official method does. The other also carries over how "
        "it leans and moves in the image.",
        extra_dict=ADVANCED,
    ),
    io.Float.Input(
        "detection_threshold",
        default=0.5,
        min=0.0,
        max=1.0,
        step=0.05,
        tooltip="Least score of the face detector. Lower it where small or half hidden faces are not found.",
        extra_dict=ADVANCED,
    ),
]


def frame_rate_input() -> io.Input:
    """The input `frame_rate`."""
    return io.Float.Input(
        "frame_rate",
        default=25.0,
        min=0.1,
        max=1000.0,
        step=0.001,
        tooltip="Frames a second of a driving IMAGE batch. A VIDEO brings its own rate.",
    )


def pose_options(
    face: str, face_number: int, missing_face: str, relative_motion: bool, head_motion: str, **same_names: Any
) -> PoseOptions:
    """From the values of `MOTION_INPUTS`; `same_names` are called alike there and in `PoseOptions`."""
    return PoseOptions(
        face=chosen_face(face, face_number),
        missing=missing_face,
        driver_crop=HEAD_MOTIONS[head_motion],
        relative=relative_motion,
        **same_names,
    )
