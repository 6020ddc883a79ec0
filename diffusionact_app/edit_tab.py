"""The Edit tab: sliders on a photo, no video. Dragging shows a quick preview, letting go renders at full quality."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gradio as gr
import torch

from diffusionact.face.paste_back import paste_back
from diffusionact.face.pose.editing import PoseEdit
from diffusionact.generation import Sampling
from diffusionact.images import load_image, model_to_uint8, save_png

from .checks import check_photo
from .composing import shrunk_source
from .context import Context
from .controls import Controls
from .costs import steps_in_words
from .examples import EXAMPLES
from .messages import errors_as_messages
from .shared_model import EditedSource
from .status import line_html
from .uploads import photo_upload
from .zero_gpu import IS_ZERO_GPU

DEGREES, PART = 1.0, 0.05
# group -> (field of PoseEdit, label, minimum, maximum, step); 0 is the source's own face.
SLIDERS: dict[str, list[tuple[str, str, float, float, float]]] = {
    "Head": [
        ("yaw", "Turn: image left to right", -40, 40, DEGREES),
        ("pitch", "Nod: up to down", -30, 30, DEGREES),
        ("roll", "Tilt: clockwise to counter-clockwise", -30, 30, DEGREES),
    ],
    "Mouth": [
        ("smile", "Frown to smile", -1, 1, PART),
        ("mouth_open", "Close to open", -1, 1, PART),
        ("mouth_width", "Purse to stretch", -1, 1, PART),
    ],
    "Eyes": [
        ("gaze_horizontal", "Look: image left to right", -40, 40, DEGREES),
        ("gaze_vertical", "Look: down to up", -30, 30, DEGREES),
        ("eyes", "Close to open wide", -1, 1, PART),
        ("brows", "Lower to raise the brows", -1, 1, PART),
        ("wink_right", "Wink, the person's right eye", 0, 1, PART),
        ("wink_left", "Wink, the person's left eye", 0, 1, PART),
    ],
}
READY = "Choose a photo, then move a slider."
REST_S = 0.5
NAMES = [row[0] for rows in SLIDERS.values() for row in rows]
QUICK_EDITS: dict[str, dict[str, float]] = {
    "Smile": {"smile": 0.9, "eyes": -0.1},
    "Surprise": {"brows": 1.0, "eyes": 0.8, "mouth_open": 0.7},
    "Look aside": {"yaw": 22.0, "gaze_horizontal": 15.0},
    "Wink": {"wink_left": 1.0, "smile": 0.5},
    "Reset": {},
}


class EditTab:
    """Builds the tab inside the current `gr.Blocks` and connects it."""

    def __init__(self, context: Context):
        self.context = context
        self.controls = Controls()
        # session -> values that are being rendered, or were, at full quality: a preview of the same comes too late.
        self._rendered: dict[str, dict[str, Any]] = {}
        # session -> values of the last preview.
        self._latest: dict[str, dict[str, Any]] = {}
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self._inputs()
            with gr.Column(scale=6, min_width=300):
                self._outputs()
        self._connect()

    def _inputs(self) -> None:
        add = self.controls.add
        with gr.Row():
            add(
                "source",
                photo_upload(
                    label="Photo",
                    sources=["upload", "webcam", "clipboard"],
                    height=210,
                    elem_id="edit-source",
                    buttons=[],
                ),
            )
            self.faces = gr.Gallery(
                value=[(str(example.source), example.title) for example in EXAMPLES],
                label="Or one of these",
                columns=3,
                height=130,
                object_fit="cover",
                allow_preview=False,
                interactive=False,
                buttons=[],
                elem_id="edit-faces",
            )
        with gr.Row(elem_classes="quick-edits"):
            self.quick_edits = {name: gr.Button(name, size="sm", min_width=70) for name in QUICK_EDITS}
        with gr.Tabs():
            for group, rows in SLIDERS.items():
                with gr.Tab(group):
                    for name, label, minimum, maximum, step in rows:
                        add(name, gr.Slider(minimum, maximum, value=0, step=step, label=label, elem_id=f"edit-{name}"))
        add("full_frame", gr.Checkbox(False, label="Show the whole photo"))

    def _outputs(self) -> None:
        self.status = gr.HTML(line_html("Ready", READY), elem_id="edit-status")
        self.compare = gr.ImageSlider(
            label="Before and after",
            type="numpy",
            height=440,
            interactive=False,
            buttons=["fullscreen"],
            elem_id="edit-compare",
            max_height=440,
        )
        self.save = gr.DownloadButton("Save the image", interactive=False, size="md", elem_id="edit-save")

    def _connect(self) -> None:
        inputs = self.controls.all()
        sliders = [self.controls[name] for name in NAMES]
        outputs = [self.compare, self.status, self.save]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        full, preview, settle = (errors_as_messages(each) for each in (self._full, self._preview, self._settle))
        for slider in sliders:
            slider.input(preview, inputs, outputs, trigger_mode="always_last", concurrency_id="preview", **quiet).then(
                settle, inputs, outputs, trigger_mode="always_last", concurrency_limit=None, **quiet
            )
            slider.release(full, inputs, outputs, trigger_mode="always_last", concurrency_id="edit", **quiet)
        for name in ("source", "full_frame"):
            self.controls[name].change(full, inputs, outputs, concurrency_id="edit", **quiet)
        self.faces.select(self._choose_face, None, [self.controls["source"]], **quiet)
        for name, button in self.quick_edits.items():
            button.click(_quick_edit(name), None, sliders, queue=False, **quiet).then(
                full, inputs, outputs, concurrency_id="edit", **quiet
            )

    def _choose_face(self, chosen: gr.SelectData) -> str:
        return str(EXAMPLES[chosen.index].source)

    def _preview(self, data: dict, request: gr.Request) -> tuple | dict:
        """A few steps, while a slider moves."""
        values = self.controls.values(data)
        self._latest[request.session_hash] = values
        if IS_ZERO_GPU:  # every call there is a loan of its own, and encodes the source again
            return gr.skip()
        if not values["source"] or values == self._rendered.get(request.session_hash):
            return gr.skip()
        edited = self._edit(values, self.context.model.preview_sampling)
        if values == self._rendered.get(request.session_hash):
            return gr.skip()
        return self._pair(values, edited), line_html("Preview", "Let go for full quality."), gr.skip()

    def _settle(self, data: dict, request: gr.Request) -> tuple | dict:
        """Full quality once the sliders rest; arrow keys and typed numbers tell of no letting go."""
        values = self.controls.values(data)
        time.sleep(REST_S)
        session = request.session_hash
        if not values["source"] or values != self._latest.get(session) or values == self._rendered.get(session):
            return gr.skip()
        return self._full(data, request)

    def _full(self, data: dict, request: gr.Request) -> tuple:
        """All steps, and a file to keep."""
        values = self.controls.values(data)
        if not values["source"]:
            return (
                None,
                line_html("Ready", READY),
                gr.DownloadButton(interactive=False),
            )
        self._rendered[request.session_hash] = values
        started = time.perf_counter()
        model = self.context.model
        sampling = model.sampling(model.default_quality)
        before, after = self._pair(values, self._edit(values, sampling))
        path = self.context.sessions.new_folder(request.session_hash) / "edited.png"
        save_png(path, torch.from_numpy(after))
        note = f"{steps_in_words(model.steps_per_frame(sampling))} in {time.perf_counter() - started:.1f} s"
        return (before, after), line_html("Full quality", note), gr.DownloadButton(value=str(path), interactive=True)

    def _edit(self, values: dict[str, Any], sampling: Sampling) -> EditedSource:
        path = check_photo(values["source"], self.context.limits)
        return self.context.edit(path, "largest", PoseEdit(**{name: values[name] for name in NAMES}), sampling)

    def _pair(self, values: dict[str, Any], edited: EditedSource) -> tuple[Any, Any]:
        """Images before and after, uint8 (H, W, 3) arrays: the crops, or the whole photo."""
        if not values["full_frame"]:
            return tuple(model_to_uint8(image)[0].numpy() for image in (edited.before, edited.after))
        image = load_image(Path(values["source"]))
        image, crop = shrunk_source(image, edited.crop, self.context.limits.output_side_px)
        return image.numpy(), paste_back(image, edited.after, crop)[0].numpy()

    def forget(self, session: str) -> None:
        """Drop what is kept of a session."""
        self._rendered.pop(session, None)
        self._latest.pop(session, None)


def _quick_edit(name: str):
    def values() -> list[float]:
        return [QUICK_EDITS[name].get(slider, 0) for slider in NAMES]

    return values
