"""How a driving clip is read: the options that face readers and pose extraction share."""

from __future__ import annotations

from dataclasses import dataclass

from ...checks import check_choice, check_in_range
from ..geometry.crop_change import UNCHANGED, CropChange

DRIVER_CROPS = ("frame", "clip")


@dataclass(frozen=True)
class PoseOptions:
    """How a driving clip is read.

    Attributes:
        face: which face drives: "largest", "follow" (nearest to the last frame's) or an index, largest first.
        missing: frames without a face: "error", "hold" or "interpolate".
        driver_crop: "frame" crops every frame anew (the official way; removes roll and translation), "clip" uses one
            smoothed upright crop, so that roll and translation are carried over.
        relative: motion relative to the reference frame is added to the source's own pose, expression and gaze.
        reference_frame: the driving frame that counts as the source's pose in relative motion, 0-based.
        expression_gain: factor on the driver's expression.
        smoothing: 0 (off) to 1 (strong) One Euro smoothing of the tracked face.
        detection_threshold: minimum score of the face detector, 0 to 1.
        turn_limit: for models that move the photo itself, in absolute motion: a source whose own head is turned by more
            than this, degrees, keeps the rest of its turn, as what it never showed would come into view. 180 takes the
            driver's head pose as it is.
        crop_change: of the driver's crops. Turned, the head leans the other way; size and place count for models that
            take the driver's, and not for those that keep the source's.

    Raises:
        ValueError: if a value is out of range.
    """

    face: str | int = "follow"
    missing: str = "interpolate"
    driver_crop: str = "frame"
    relative: bool = False
    reference_frame: int = 0
    expression_gain: float = 1.0
    smoothing: float = 0.3
    detection_threshold: float = 0.5
    turn_limit: float = 15.0
    crop_change: CropChange = UNCHANGED

    def __post_init__(self):
        check_choice("driver_crop", self.driver_crop, DRIVER_CROPS)
        check_in_range("smoothing", self.smoothing, 0.0, 1.0)
        check_in_range("expression_gain", self.expression_gain, 0.0, 3.0)
        check_in_range("turn_limit", self.turn_limit, 0.0, 180.0)
        check_in_range("reference_frame", self.reference_frame, 0, 10**9)


DEFAULT_POSE_OPTIONS = PoseOptions()
