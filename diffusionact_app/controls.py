"""Controls with names: a handler takes them all as one value, and reads them by name."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components import Component

from .composing import MODEL_OUTPUT, SOURCE_OUTPUT, WHOLE_OUTPUT
from .costs import steps_in_words
from .settings import Limits
from .shared_model import SharedModel

OUTPUTS = {
    MODEL_OUTPUT: "Face, as the model gives it",
    SOURCE_OUTPUT: "Face, at the photo's resolution",
    WHOLE_OUTPUT: "Whole photo, with hair and neck",
}
MISSING = [
    ("Fill in between neighbours", "interpolate"),
    ("Hold the last face", "hold"),
    ("Stop with a message", "error"),
]


class Controls:
    """Named components of a tab; given to a handler as a set, they arrive as one dictionary.

    Args:
        prefix: of the components' ids in the page.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self._components: dict[str, Component] = {}

    def add(self, name: str, component: Component) -> Component:
        """Name a component."""
        self._components[name] = component
        return component

    def __getitem__(self, name: str) -> Component:
        return self._components[name]

    def all(self) -> set[Component]:
        """The `inputs` of a handler."""
        return set(self._components.values())

    def values(self, data: dict[Component, Any]) -> dict[str, Any]:
        """What the handler received, by name."""
        return {name: data[component] for name, component in self._components.items()}


def quality_choice(controls: Controls, model: SharedModel) -> None:
    """Speed against quality: the model's presets; hidden where there are none."""
    controls.add(
        "quality",
        gr.Radio(
            list(model.presets),
            value=model.default_quality,
            label="Quality",
            info="; ".join(_explained(model, name) for name in model.presets) + ".",
            visible=bool(model.presets),
            elem_id=f"{controls.prefix}quality",
        ),
    )


def _explained(model: SharedModel, name: str) -> str:
    sampling = model.presets[name]
    count = steps_in_words(model.steps_per_frame(sampling))
    return f"{name}: {count} of {sampling.scheduler}" if isinstance(sampling.scheduler, str) else f"{name}: {count}"


def output_choice(controls: Controls, model: SharedModel) -> None:
    """What is rendered; hidden where there is nothing to choose."""
    controls.add(
        "output",
        gr.Dropdown(
            [(OUTPUTS[name], name) for name in model.outputs],
            value=model.outputs[0],
            label="Output",
            info="In the full frame a face is pasted in with a soft edge, unless the whole photo moves.",
            visible=len(model.outputs) > 1,
            elem_id=f"{controls.prefix}output",
        ),
    )


def driver_options(controls: Controls, limits: Limits) -> None:
    """How the video is read and the result composed; all have sensible values already."""
    controls.add(
        "frames",
        gr.Slider(
            1,
            limits.frames,
            value=limits.frames,
            step=1,
            label="Frames to render",
            info="From the start of the video, or of its part.",
            elem_id=f"{controls.prefix}frames",
        ),
    )
    with gr.Row():
        for name, info in (("start", "Of the driving video's part."), ("end", "0 is the end of the video.")):
            label = f"{name.capitalize()}, seconds"
            controls.add(
                name,
                gr.Number(0, minimum=0, step=0.1, label=label, info=info, elem_id=f"{controls.prefix}part-{name}"),
            )
    controls.add(
        "relative",
        gr.Checkbox(
            False,
            label="Relative motion",
            info="Add the driver's motion to the source's own pose, instead of taking the driver's pose.",
        ),
    )
    controls.add(
        "carry_roll",
        gr.Checkbox(
            False,
            label="Carry tilt and movement over",
            info="One steady crop for the video, instead of one per frame.",
        ),
    )
    with gr.Row():
        controls.add(
            "expression_gain",
            gr.Slider(
                0.0,
                2.0,
                value=1.0,
                step=0.05,
                label="Expression",
                info="1 is as the driver does it.",
            ),
        )
        controls.add("smoothing", gr.Slider(0.0, 1.0, value=0.3, step=0.05, label="Smoothing", info="0 is off."))
    controls.add("missing", gr.Dropdown(MISSING, value="interpolate", label="Frames without a face"))
    with gr.Row():
        controls.add(
            "feather",
            gr.Slider(
                0.0,
                0.5,
                value=0.1,
                step=0.01,
                label="Soft edge",
                info="Of the face in the whole photo.",
                min_width=260,  # beside the boxes there would be no room for the words
            ),
        )
        with gr.Column(min_width=140):
            controls.add("match_colour", gr.Checkbox(False, label="Match colours to the photo"))
            controls.add("keep_sound", gr.Checkbox(True, label="Keep the driver's sound"))
