"""The options of a clip as the source, in the words of `diffusionact reenact`."""

from __future__ import annotations

import gradio as gr

from diffusionact.pipelines.source_video import ENDS

from .clip_job import SOUNDS
from .controls import Controls

PARTS = [
    ("Whole expression", "expression"),
    ("Lips", "lips"),
    ("Eyes", "eyes"),
    ("Brows", "brows"),
    ("Gaze", "gaze"),
    ("Head's turn", "head"),
]
END_NAMES = {"stop": "Stop there", "hold": "Hold its last frame", "loop": "Loop it", "ping-pong": "Ping-pong"}
SOUND_NAMES = {
    "auto": "Automatic",
    "source": "The source's",
    "driver": "The driver's",
    "none": "No sound",
}


def clip_options(controls: Controls) -> None:
    """What changes of a clip."""
    controls.add(
        "take",
        gr.CheckboxGroup(
            PARTS,
            value=["expression"],
            label="Take from the driver",
            info="Everything else stays as it is in the clip.",
            elem_id="clip-take",
        ),
    )
    with gr.Row():
        for name, label, info, most, value in (
            ("eye_contact", "Eye contact", "1: to the camera.", 1.0, 0.0),
            ("blink", "Blinks", "1: as in the clip.", 2.0, 1.0),
            ("mouth", "Mouth", "0: still.", 2.0, 1.0),
        ):
            looks = {"label": label, "info": info, "elem_id": f"clip-{name}", "min_width": 120}
            controls.add(name, gr.Slider(0.0, most, value=value, step=0.05, **looks))
    silent, info = "Still mouth in silence", "Where the sound that goes along is silent, the mouth rests."
    controls.add("still_when_silent", gr.Checkbox(False, label=silent, info=info, elem_id="clip-still-when-silent"))


def sound_choice(controls: Controls) -> None:
    """Whose sound goes along with a clip."""
    sounds = [(SOUND_NAMES[name], name) for name in SOUNDS]
    controls.add("sound", gr.Dropdown(sounds, value="auto", label="Sound", visible=False, min_width=140))


def driver_end_choice(controls: Controls) -> None:
    """What becomes of a driver that is shorter than the rest."""
    ends, label = [(END_NAMES[name], name) for name in ENDS], "Where the driver is shorter"
    controls.add("driver_end", gr.Dropdown(ends, value="stop", label=label, min_width=140))


def length_choice(controls: Controls) -> None:
    """How long a group moves."""
    info = "0: as long as videos or motions are."
    controls.add(
        "seconds", gr.Number(0, minimum=0, step=0.5, label="Length, seconds", info=info, visible=False, min_width=140)
    )


def clip_part(controls: Controls) -> None:
    """Which part of the clip is taken."""
    with gr.Row():
        for name, info in (("start", "Of the part to take."), ("end", "0 is the end of the clip.")):
            label = f"Clip: {name}, seconds"
            controls.add(
                f"clip_{name}",
                gr.Number(0, minimum=0, step=0.1, label=label, info=info, elem_id=f"clip-{name}", min_width=120),
            )
