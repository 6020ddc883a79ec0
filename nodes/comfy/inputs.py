"""Inputs of the nodes, and their values as the library knows them: sampling, the driving clip, the pose's sliders."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ...diffusionact import PoseOptions
from ...diffusionact.generation import DEFAULT_PRESETS, Engine, Sampling
from ...diffusionact.generation.sampling import presets_from_json
from ...diffusionact.schedulers import SCHEDULERS
from ...diffusionact.weights import DEMO_FOLDER, INDEX_NAME, INDEX_SECTION, read_index
from .schema import ADVANCED

CUSTOM = "custom"
NUMBERED = "by number"
SOURCE_FACES = ("largest", NUMBERED)
DRIVING_FACES = ("follow", "largest", NUMBERED)
MISSING_FACES = ("interpolate", "hold", "error")
# What moves the head -> the library's crop of the driver.
HEAD_MOTIONS = {"turn": "frame", "turn, lean and move": "clip"}

# The sliders of Edit Pose, named as the fields of `PoseEdit`: name, limit in both directions, tooltip.
ANGLES = (
    ("yaw", 90.0, "Turns the head, degrees: above 0 to the right of the image."),
    ("pitch", 90.0, "Nods, degrees: above 0 downwards."),
    ("roll", 90.0, "Leans the head, degrees: above 0 counter-clockwise in the image."),
    ("gaze_horizontal", 60.0, "Turns the eyes, degrees: above 0 to the right of the image."),
    ("gaze_vertical", 60.0, "Turns the eyes, degrees: above 0 upwards."),
)
# name, min, tooltip
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
# Fields of `PoseMix`.
SHARES = (
    ("head", "the head's turn, size and position"),
    ("gaze", "the gaze"),
    ("brows", "the brows"),
    ("eyes", "the eyelids"),
    ("mouth", "the mouth, jaw, cheeks and nose"),
)
MIX_PREFIX = "mix_"


def sampling_inputs() -> list[io.Input]:
    """The inputs `preset`, `steps`, `scheduler` and `chunk_size`."""
    return [
        io.Combo.Input(
            "preset",
            options=[*DEFAULT_PRESETS, CUSTOM],
            default="balanced",
            tooltip=f"Sampler, and steps for each frame; a model brings its own. Of the demo model: {demo_presets()}. "
            f"paper is what the authors do. {CUSTOM} takes the sampler and the number below.",
        ),
        io.Int.Input(
            "steps",
            default=20,
            min=1,
            max=999,
            step=1,
            tooltip=f"Steps for each frame; counts only with the preset {CUSTOM}.",
        ),
        io.Combo.Input(
            "scheduler",
            options=list(SCHEDULERS),
            default="ddim",
            tooltip="The sampler. ddim is the one the model was made for; ddim_quad, dpm and unipc need fewer steps; "
            f"distilled needs a model with a decoder of its own for it. Counts only with the preset {CUSTOM}.",
            extra_dict=ADVANCED,
        ),
        io.Int.Input(
            "chunk_size",
            default=4,
            min=1,
            max=64,
            step=1,
            tooltip="Frames rendered together. More is faster on a large graphics card and needs more memory. The "
            "result stays the same. It is halved by itself when memory runs out.",
            extra_dict=ADVANCED,
        ),
    ]


def demo_presets() -> str:
    """The presets of the demo model, for people."""
    presets = presets_from_json(read_index(DEMO_FOLDER)[INDEX_SECTION]["presets"], DEMO_FOLDER / INDEX_NAME)
    return ", ".join(f"{name} is {how.scheduler} {how.num_inference_steps}" for name, how in presets.items())


def chosen_sampling(engine: Engine, preset: str, steps: int, scheduler: str) -> Sampling:
    """From the values of `sampling_inputs`; a preset that the model does not have is its own way of sampling.

    Raises:
        ValueError: if the engine cannot sample like that.
    """
    sampling = Sampling(steps, scheduler) if preset == CUSTOM else engine.presets.get(preset, Sampling())
    engine.check_sampling(sampling)
    return sampling


def inversion_steps_input() -> io.Input:
    """The input `inversion_steps`."""
    return io.Int.Input(
        "inversion_steps",
        default=0,
        min=0,
        max=1000,
        step=1,
        tooltip="Steps of the source's inversion, once, where the model inverts. 0 takes the model's own number (the "
        "paper's is 50). 20 is faster and nearly as faithful.",
    )


def face_inputs(choices: tuple[str, ...], tooltip: str) -> list[io.Input]:
    """The inputs `face` and `face_number`."""
    return [
        io.Combo.Input("face", options=list(choices), default=choices[0], tooltip=tooltip),
        io.Int.Input(
            "face_number",
            default=0,
            min=0,
            max=99,
            step=1,
            tooltip=f"Counts only with the choice {NUMBERED!r}: 0 is the largest face, 1 the next one.",
            extra_dict=ADVANCED,
        ),
    ]


def chosen_face(face: str, face_number: int) -> str | int:
    """What the library calls the choice made by `face_inputs`."""
    return face_number if face == NUMBERED else face


def motion_inputs() -> list[io.Input]:
    """How a driving clip is read; see `pose_options`."""
    return [
        *face_inputs(DRIVING_FACES, "Which face drives. follow stays with the largest face of the first frame."),
        io.Combo.Input(
            "missing_face",
            options=list(MISSING_FACES),
            default="interpolate",
            tooltip="Frames without a face: interpolate between the faces around them, hold the last one, or stop "
            "with an error.",
        ),
        io.Boolean.Input(
            "relative_motion",
            default=False,
            tooltip="On: the driver's change since the reference frame is added to the source's own pose and "
            "expression. Off: the driver's pose and expression as they are.",
        ),
        io.Int.Input(
            "reference_frame",
            default=0,
            min=0,
            max=1_000_000,
            step=1,
            tooltip="With relative motion: the driving frame, counted from 0, that looks most like the source. It "
            "need not be the first.",
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
            tooltip="turn carries over where the head looks, as the official method does. The other also carries over "
            "how it leans and moves in the image.",
            extra_dict=ADVANCED,
        ),
        io.Float.Input(
            "detection_threshold",
            default=0.5,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="Minimum score of the face detector. Lower it where small or half hidden faces are not found.",
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
        tooltip="Frames per second of a driving IMAGE batch. A VIDEO brings its own rate.",
    )


def trim_inputs() -> list[io.Input]:
    """Which part of the driving video is taken."""
    return [
        io.Float.Input(
            name,
            default=0.0,
            min=0.0,
            max=86_400.0,
            step=0.01,
            tooltip=tooltip,
            optional=True,
            extra_dict=ADVANCED,
        )
        for name, tooltip in (
            ("start", "Second of the driving video to begin at."),
            ("end", "Second of the driving video to end at. 0 takes all of it."),
        )
    ]


def pose_options(
    face: str, face_number: int, missing_face: str, relative_motion: bool, head_motion: str, **same_names: Any
) -> PoseOptions:
    """From the values of `motion_inputs`; `same_names` are called alike there and in `PoseOptions`."""
    return PoseOptions(
        face=chosen_face(face, face_number),
        missing=missing_face,
        driver_crop=HEAD_MOTIONS[head_motion],
        relative=relative_motion,
        **same_names,
    )


def edit_inputs() -> list[io.Input]:
    """One input for every field of `PoseEdit`."""
    angles = [slider(name, 0.0, -most, most, 1.0, tooltip) for name, most, tooltip in ANGLES]
    amounts = [slider(name, 0.0, least, 1.0, 0.05, tooltip) for name, least, tooltip in AMOUNTS]
    gains = [slider(name, 1.0, 0.0, 3.0, 0.05, tooltip, is_advanced=True) for name, tooltip in GAINS]
    return [*angles, *amounts, *gains]


def mix_inputs() -> list[io.Input]:
    """One input for every field of `PoseMix`, with a prefix."""
    return [
        slider(
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


def slider(
    name: str, default: float, least: float, most: float, step: float, tooltip: str, is_advanced: bool = False
) -> io.Input:
    """A number between two limits, shown as a slider."""
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
