"""The fold "Crop": sliders for the squares around the source's and the driver's face, and a preview of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from diffusionact.face.errors import NoFaceFoundError
from diffusionact.face.geometry.crop_change import MAX_SCALE, MAX_SHIFT, MAX_TURN_DEG, MIN_SCALE, UNCHANGED, CropChange
from diffusionact.images import load_image

from .checks import check_photo, check_video
from .context import Context
from .controls import Controls
from .messages import errors_as_messages

# Whose crop -> label of its preview.
CROPS = {"source": "Source", "driving": "Driver, first frame"}
# field of CropChange -> label, minimum, maximum, value, step
SLIDERS = {
    "scale": ("Size", MIN_SCALE, MAX_SCALE, 1.0, 0.05),
    "right": ("Right", -MAX_SHIFT, MAX_SHIFT, 0.0, 0.01),
    "up": ("Up", -MAX_SHIFT, MAX_SHIFT, 0.0, 0.01),
    "rotate": ("Turn", -MAX_TURN_DEG, MAX_TURN_DEG, 0.0, 1.0),
}
# The values of all sliders as they are at first, by the names of their controls.
CROP_DEFAULTS = {f"{whose}_crop_{name}": slider[3] for whose in CROPS for name, slider in SLIDERS.items()}
NOTE = (
    "A thick line marks the square's upper side; beside it stands what the model gets. *Size* above 1 shows more "
    "around the face, *Right* and *Up* move the square by shares of its side, *Turn* is in degrees clockwise. The face "
    "goes back where it came from, whatever the square. A driver's square that is turned makes the head lean."
)


def crop_change(values: dict[str, Any], whose: str) -> CropChange:
    """The change of the "source" or "driving" crop, of the values of all controls.

    Raises:
        ValueError: if one is out of range.
    """
    return CropChange(**{name: float(values[f"{whose}_crop_{name}"]) for name in SLIDERS})


class CropPanel:
    """Sliders and previews.

    Attributes:
        fold: the whole panel.
    """

    def __init__(self, context: Context, controls: Controls):
        self.context = context
        self._is_open = gr.State(False)
        with gr.Accordion("Crop", open=False, visible=context.model.can_change_crops, elem_id="crop") as self.fold:
            gr.Markdown(NOTE)
            for whose, label in CROPS.items():
                shown = gr.Image(
                    label=label,
                    type="pil",
                    interactive=False,
                    height=260,
                    format="jpeg",
                    buttons=[],
                    elem_id=f"crop-{whose}",
                )
                sliders = self._sliders(controls, whose)
                self._connect(whose, controls, sliders, shown)
        for event, is_open in ((self.fold.expand, True), (self.fold.collapse, False)):
            event(lambda is_open=is_open: is_open, None, [self._is_open], api_visibility="private")

    def _sliders(self, controls: Controls, whose: str) -> list[gr.Slider]:
        made = []
        with gr.Row():
            for name, (label, minimum, maximum, value, step) in SLIDERS.items():
                key = f"{whose}_crop_{name}"
                looks = {"label": label, "elem_id": key.replace("_", "-"), "min_width": 150}
                made.append(controls.add(key, gr.Slider(minimum, maximum, value=value, step=step, **looks)))
        return made

    def _connect(self, whose: str, controls: Controls, sliders: list[gr.Slider], shown: gr.Image) -> None:
        """While the fold is open, files, faces and sliders draw the preview; of a slider's moves the last counts."""
        upload, face = controls[whose], controls[f"{whose}_face"]
        quiet = {"show_progress": "hidden", "api_visibility": "private", "trigger_mode": "always_last"}
        gr.on(
            [upload.change, face.change, self._is_open.change, *(slider.change for slider in sliders)],
            errors_as_messages(self._shows(whose)),
            [self._is_open, upload, face, *sliders],
            [shown],
            **quiet,
        )

    def _shows(self, whose: str) -> Callable:
        def show(is_open: bool, path: str | None, face: str | int, *values: float) -> Any:
            if not is_open or not path:
                return None
            change = CropChange(*map(float, values))
            try:
                image = load_image(check_photo(path, self.context.limits)) if whose == "source" else self._frame(path)
                return Image.fromarray(self.context.model.crop_preview(image, face, change).numpy())
            except (NoFaceFoundError, ValueError):
                if change != UNCHANGED:
                    raise
                return None  # told where the file came in

        return show

    def _frame(self, path: str | Path) -> Any:
        return next(iter(check_video(path, self.context.limits)))
