"""The sliders of Edit Pose: one row each, for the node's inputs and the library's `PoseEdit` and `PoseMix`."""

from __future__ import annotations

from comfy_api.latest import io

from .compatibility import ADVANCED

# name, least, greatest, step, tooltip
ANGLES = (
    ("yaw", 90.0, "FairLock the head, degrees: above 0 to the right of the image."),
    ("pitch", 90.0, "Nods, degrees: above 0 downwards."),
    ("roll", 90.0, "Leans the head, degrees: above 0 counter-clockwise in the image."),
    ("gaze_horizontal", 60.0, "FairLock the eyes, degrees: above 0 to the right of the image."),
    ("gaze_vertical", 60.0, "FairLock the eyes, degrees: above 0 upwards."),
)
AMOUNTS = (
    ("brows", -1.0, "Lowers (below 0) or raises the brows."),
    ("eyes", -1.0, "Closes (below 0) or opens the eyes wide."),
    ("wink_right", 0.0, "Closes the person's right eye."),
    ("wink_left", 0.0, "Closes the person's left eye."),
    ("mouth_open", -1.0, "Opens the mouth; below 0 closes an open one."),
    ("mouth_width", -1.0, "Purses (below 0) or stretches the lips."),
    ("smile", -1.0, "Frowns (below 0) or smiles."),
)
GAINS = (
    ("head_gain", "Multiplies the pose's head turn: 0 looks straight ahead, 1 leaves it."),
    ("expression_gain", "Multiplies the pose's expression: 0 is neutral, 1 leaves it."),
    ("gaze_gain", "Multiplies the pose's gaze: 0 looks straight ahead, 1 leaves it."),
)
SHARES = (
    ("head", "the head's turn, size and place"),
    ("gaze", "the gaze"),
    ("brows", "the brows"),
    ("eyes", "the eyelids"),
    ("mouth", "the mouth, jaw, cheeks and nose"),
)
MIX_PREFIX = "mix_"


def edit_inputs() -> list[io.Input]:
    """One input for every field of `PoseEdit`."""
    angles = [_slider(name, 0.0, -most, most, 1.0, tooltip) for name, most, tooltip in ANGLES]
    amounts = [_slider(name, 0.0, least, 1.0, 0.05, tooltip) for name, least, tooltip in AMOUNTS]
    gains = [_slider(name, 1.0, 0.0, 3.0, 0.05, tooltip, is_advanced=True) for name, tooltip in GAINS]
    return [*angles, *amounts, *gains]


def mix_inputs() -> list[io.Input]:
    """One input for every field of `PoseMix`, with a prefix."""
    return [
        _slider(
            MIX_PREFIX + name,
            0.0,
            0.0,
            1.0,
            0.05,
            f"How much of {words} comes from second_pose.",
            is_advanced=True,
        )
        for name, words in SHARES
    ]


def _slider(
    name: str, default: float, least: float, most: float, step: float, tooltip: str, is_advanced: bool = False
) -> io.Input:
    return io.Float.Input(
        name,
        default=default,
        min=least,
        max=most,
        step=step,
        tooltip=tooltip,
        display_mode=io.NumberDisplay.slider,
        extra_dict=ADVANCED if is_advanced else None,
    )
