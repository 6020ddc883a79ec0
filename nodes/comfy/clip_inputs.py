"""Inputs of Reenact Clip: several faces, and mouths that rest in silence."""

from __future__ import annotations

from comfy_api.latest import io

from ...diffusionact.motion import PRESETS
from ...diffusionact.pipelines.group_clip import OWN
from ...diffusionact.video.silence import SilenceLevel
from .schema import ADVANCED
from .source_video import DRIVERS


def several_faces_inputs() -> list[io.Input]:
    """Who drives which face of a clip."""
    return [
        io.String.Input(
            "faces",
            default="",
            multiline=True,
            optional=True,
            tooltip="Empty for the largest face alone. Else a line for each face: a number (0 is the largest of the "
            f"first frame), a point X,Y in its pixels, or all; then = and {', '.join(DRIVERS)}, {OWN} (only the "
            f"sliders count), or a motion: {', '.join(PRESETS)}.",
        ),
        *(
            io.Video.Input(name, optional=True, tooltip=f"A clip, named {name} in the lines of faces.")
            for name in DRIVERS[1:]
        ),
    ]


def silence_inputs() -> list[io.Input]:
    """A mouth that rests where nothing is heard."""
    return [
        io.Boolean.Input(
            "still_when_silent",
            default=False,
            optional=True,
            tooltip="On: the mouth rests in silent passages of the sound that goes along.",
        ),
        io.Float.Input(
            "silence_level",
            default=SilenceLevel.level_db,
            min=-90.0,
            max=0.0,
            step=1.0,
            optional=True,
            tooltip="Decibels of full scale below which sound is silent.",
            extra_dict=ADVANCED,
        ),
    ]
