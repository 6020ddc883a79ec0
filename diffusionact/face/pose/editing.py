"""Change poses by hand: sliders, gains, mixing two poses, and carrying a pose over to another source.

Every function changes coefficients and gaze, then draws the landmarks again; nothing moves points.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from ...checks import check_in_range
from ...types import FacePose, SourceCodes, concatenate
from ..expression_names import EXPRESSION_NAMES
from ..geometry.gaze import MAX_GAZE_RAD
from ..geometry.rotations import blend_rotations
from ..readers.reader import FaceModel, FaceReader, check_face_model
from .extraction import LandmarkFrame
from .retargeting import face_pose

# The value of eyeBlink at which the open face model's lids meet; above it they cross.
CLOSED = 0.75
# slider -> the values it adds at +1, and those at -1.
SLIDER_VALUES: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "brows": (
        {"browInnerUp": 1.0, "browOuterUpLeft": 1.0, "browOuterUpRight": 1.0},
        {"browDownLeft": 1.0, "browDownRight": 1.0},
    ),
    "eyes": ({"eyeWideLeft": 1.0, "eyeWideRight": 1.0}, {"eyeBlinkLeft": CLOSED, "eyeBlinkRight": CLOSED}),
    "wink_right": ({"eyeBlinkRight": CLOSED}, {}),
    "wink_left": ({"eyeBlinkLeft": CLOSED}, {}),
    "mouth_open": ({"jawOpen": 1.0}, {"jawOpen": -1.0}),
    "mouth_width": ({"mouthStretchLeft": 1.0, "mouthStretchRight": 1.0}, {"mouthPucker": 1.0}),
    "smile": (
        {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0, "cheekSquintLeft": 0.3, "cheekSquintRight": 0.3},
        {"mouthFrownLeft": 1.0, "mouthFrownRight": 1.0},
    ),
}
# region -> beginnings of the names of its expression values; what is left belongs to the mouth.
EXPRESSION_REGIONS = {"brows": ("brow",), "eyes": ("eyeBlink", "eyeSquint", "eyeWide"), "gaze": ("eyeLook",)}


@dataclass(frozen=True)
class PoseEdit:
    """What to change of a pose. Gains apply first, then the sliders add.

    Attributes:
        yaw, pitch, roll: degrees, -90 to 90; + turns to the image's right, down, and counter-clockwise in the image.
        gaze_horizontal, gaze_vertical: degrees, -60 to 60; + looks to the image's right and up.
        brows: -1 lowered to 1 raised.
        eyes: -1 closed to 1 wide open.
        wink_right, wink_left: 0 to 1, the subject's own side.
        mouth_open: -1 to 1; below 0 takes away from an open mouth.
        mouth_width: -1 pursed to 1 stretched.
        smile: -1 frown to 1 smile.
        head_gain, expression_gain, gaze_gain: factors on the pose's head turn, expression and gaze, 0 to 3.

    Raises:
        ValueError: if a value is out of range.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    gaze_horizontal: float = 0.0
    gaze_vertical: float = 0.0
    brows: float = 0.0
    eyes: float = 0.0
    wink_right: float = 0.0
    wink_left: float = 0.0
    mouth_open: float = 0.0
    mouth_width: float = 0.0
    smile: float = 0.0
    head_gain: float = 1.0
    expression_gain: float = 1.0
    gaze_gain: float = 1.0

    def __post_init__(self) -> None:
        for name in ("yaw", "pitch", "roll"):
            check_in_range(name, getattr(self, name), -90.0, 90.0)
        for name in ("gaze_horizontal", "gaze_vertical"):
            check_in_range(name, getattr(self, name), -60.0, 60.0)
        for name, (_, below) in SLIDER_VALUES.items():
            check_in_range(name, getattr(self, name), -1.0 if below else 0.0, 1.0)
        for name in ("head_gain", "expression_gain", "gaze_gain"):
            check_in_range(name, getattr(self, name), 0.0, 3.0)


@dataclass(frozen=True)
class PoseMix:
    """How much of a second pose to take for each region, 0 to 1.

    Attributes:
        head: head turn, scale and position.
        gaze, brows, eyes, mouth: parts of the face; the mouth includes jaw, cheeks and nose.

    Raises:
        ValueError: if a value is out of range.
    """

    head: float = 0.0
    gaze: float = 0.0
    brows: float = 0.0
    eyes: float = 0.0
    mouth: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            check_in_range(field.name, getattr(self, field.name), 0.0, 1.0)


def edit_pose(face_model: FaceModel, pose: FacePose, edit: PoseEdit) -> FacePose:
    """Apply gains and sliders to every frame of a pose.

    Args:
        face_model: the model that drew the pose.
        pose: F rows.
        edit: what to change.

    Raises:
        ValueError: if the pose belongs to another face model.
    """
    coefficients = pose.coefficients
    check_face_model(face_model, coefficients, "a pose")
    turned = face_model.head_pose(edit.head_gain * coefficients.rotation) + coefficients.rotation.new_tensor(
        [edit.yaw, edit.pitch, edit.roll]
    )
    change = slider_change(edit).to(coefficients.expression)
    expression = edit.expression_gain * coefficients.expression + face_model.named_expression(change)
    gaze = edit.gaze_gain * pose.gaze + torch.deg2rad(
        # Gaze angles point to the image's left.
        pose.gaze.new_tensor([edit.gaze_vertical, -edit.gaze_horizontal])
    )
    edited = replace(
        coefficients,
        rotation=face_model.rotation(turned),
        expression=face_model.limit_expression(expression),
    )
    return face_pose(face_model, edited, gaze.clamp(-MAX_GAZE_RAD, MAX_GAZE_RAD), pose.found, pose.frame)


def mix_poses(face_model: FaceModel, first: FacePose, second: FacePose, mix: PoseMix) -> FacePose:
    """Blend regions of a second pose into a first one, frame by frame; a pose of one frame serves all frames.

    Shape and landmark frame stay those of the first.

    Raises:
        ValueError: if the numbers of frames do not fit, or a pose belongs to another face model.
    """
    first, second = _same_length(first, second)
    one, other = first.coefficients, second.coefficients
    for coefficients in (one, other):
        check_face_model(face_model, coefficients, "a pose")
    share = expression_shares(face_model, mix).to(one.expression)
    mixed = replace(
        one,
        rotation=blend_rotations(one.rotation, other.rotation, mix.head),
        camera=torch.lerp(one.camera, other.camera, mix.head),
        expression=one.expression + share * (other.expression - one.expression),
    )
    gaze = torch.lerp(first.gaze, second.gaze, mix.gaze)
    return face_pose(face_model, mixed, gaze, first.found & second.found, first.frame)


def source_pose(face_model: FaceModel, source: SourceCodes) -> FacePose:
    """The source's own pose, one row: what sliders start from where there is no driver.

    Raises:
        ValueError: if the source was encoded with another face model.
    """
    found = torch.ones(1, dtype=torch.bool, device=source.gaze.device)
    check_face_model(face_model, source.coefficients, "a source")
    return face_pose(face_model, source.coefficients, source.gaze, found, source.frame)


def fit_pose(faces: FaceReader, landmark_frame: LandmarkFrame, source: SourceCodes, pose: FacePose) -> FacePose:
    """Draw a pose with the source's face shape in the model's landmark frame, whichever it was made for.

    Raises:
        ValueError: if source, pose and reader belong to different face models, or the pose to a model with another
            landmark frame and a reader that cannot tell where that lies.
    """
    model = faces.face_model
    check_face_model(model, source.coefficients, "a source")
    check_face_model(model, pose.coefficients, "a pose")
    shape = source.coefficients.shape.expand_as(pose.coefficients.shape)
    if torch.equal(shape, pose.coefficients.shape) and pose.frame.size == landmark_frame.size:
        return pose
    fitted = replace(pose.coefficients, shape=shape)
    frame = pose.frame
    if frame.size != landmark_frame.size:
        if faces.camera_frame != "aligned":
            raise ValueError(
                f"Expected a pose for a landmark frame of {landmark_frame.size} px, received one for {frame.size} px. "
                "Extract the pose again with this model."
            )
        frame = landmark_frame.from_aligned(model.landmarks(fitted, model.camera_size))
    return face_pose(model, fitted, pose.gaze, pose.found, frame)


def slider_change(edit: PoseEdit) -> Tensor:
    """(1, 52) change of the named expression values that an edit's sliders ask for."""
    change = torch.zeros(1, len(EXPRESSION_NAMES))
    for slider, (above, below) in SLIDER_VALUES.items():
        amount = getattr(edit, slider)
        for name, value in (above if amount > 0 else below).items():
            change[0, EXPRESSION_NAMES.index(name)] += abs(amount) * value
    return change


def expression_shares(face_model: FaceModel, mix: PoseMix) -> Tensor:
    """Share of the second pose for each expression value: (E,), or (1,) where the model's values have no regions.

    Raises:
        ValueError: if the model cannot tell the regions of a face apart and the mix does.
    """
    if face_model.expression_names:
        return torch.tensor([getattr(mix, _region(name)) for name in face_model.expression_names])
    if len({mix.brows, mix.eyes, mix.mouth}) > 1:
        raise ValueError(
            f"Expected equal shares for brows, eyes and mouth, as the face model {face_model.name!r} does not tell "
            f"them apart, received {mix.brows}, {mix.eyes}, {mix.mouth}. Make them equal, or use the reader 'open'."
        )
    return torch.tensor([mix.mouth])


def _region(name: str) -> str:
    for region, beginnings in EXPRESSION_REGIONS.items():
        if name.startswith(beginnings):
            return region
    return "mouth"


def _same_length(first: FacePose, second: FacePose) -> tuple[FacePose, FacePose]:
    lengths = len(first.found), len(second.found)
    if lengths[0] == lengths[1]:
        return first, second
    if 1 not in lengths:
        raise ValueError(
            f"Expected two poses of the same number of frames, or one of a single frame, received {lengths[0]} and "
            f"{lengths[1]}. Cut one of the clips."
        )
    count = max(lengths)
    return tuple(pose if len(pose.found) == count else concatenate([pose] * count) for pose in (first, second))
