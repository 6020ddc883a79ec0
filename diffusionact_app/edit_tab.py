"""The Edit tab: sliders on a photo, no video. Dragging shows a geometry preview, letting go renders with the model."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from torch import Tensor

from diffusionact.face.paste_back import paste_back, shrunk_source
from diffusionact.face.pose.editing import PoseEdit
from diffusionact.images import load_image, model_to_uint8, save_png
from diffusionact.pipelines.preview import PREVIEW_TITLE
from diffusionact.types import CropTransform, SourceCodes

from .checks import check_photo
from .compare import as_uri, compare_html, compare_panel, follow_sliders, placeholder_html
from .context import Context
from .controls import Controls
from .costs import steps_in_words
from .examples import EXAMPLES
from .messages import errors_as_messages, plain
from .shared_model import EditedSource
from .uploads import example_photos, photo_upload

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
PREVIEW = f"{PREVIEW_TITLE}. Let go of the slider for the finished image."
# Longest side of a whole photo in a preview.
PREVIEW_SIDE_PX = 512
NAMES = [row[0] for rows in SLIDERS.values() for row in rows]
QUICK_EDITS: dict[str, dict[str, float]] = {
    "Smile": {"smile": 0.9, "eyes": -0.1},
    "Surprise": {"brows": 1.0, "eyes": 0.8, "mouth_open": 0.7},
    "Look aside": {"yaw": 22.0, "gaze_horizontal": 15.0},
    "Wink": {"wink_left": 1.0, "smile": 0.5},
    "Reset": {},
}


@dataclass(frozen=True)
class _Shown:
    """The photo that a session looks at.

    Attributes:
        name: under which its page asks for previews; nobody can guess it.
        source: the preview's, of the photo.
        photo: uint8 (H, W, 3), small.
        crop: small photo -> face.
    """

    name: str
    source: SourceCodes
    photo: Tensor
    crop: CropTransform


class EditTab:
    """Builds the tab inside the current `gr.Blocks` and connects it."""

    def __init__(self, context: Context):
        self.context = context
        self.controls = Controls()
        # session -> values that the model renders, or has rendered last.
        self._rendered: dict[str, dict[str, Any]] = {}
        # session -> what its sliders say now, as far as the page told.
        self._latest: dict[str, list] = {}
        self._shown: dict[str, _Shown] = {}
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self._inputs()
            with gr.Column(scale=6, min_width=300, elem_classes="edit-result"):
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
            with gr.Column(min_width=140):
                self.faces = example_photos("Or one of these:", "edit-faces", height=150)
        with gr.Row(elem_classes="quick-edits"):
            self.quick_edits = {name: gr.Button(name, size="sm", min_width=70) for name in QUICK_EDITS}
        with gr.Tabs():
            for group, rows in SLIDERS.items():
                with gr.Tab(group):
                    for name, label, minimum, maximum, step in rows:
                        add(name, gr.Slider(minimum, maximum, value=0, step=step, label=label, elem_id=f"edit-{name}"))
        add("full_frame", gr.Checkbox(False, label="Show the whole photo"))

    def _outputs(self) -> None:
        self.compare = compare_panel(self._preview, placeholder_html(READY), "edit-compare")
        self.save = gr.DownloadButton("Save the image", interactive=False, size="md", elem_id="edit-save")

    def _connect(self) -> None:
        inputs = self.controls.all()
        sliders = [self.controls[name] for name in NAMES]
        outputs = [self.compare, self.save]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        work = {"concurrency_id": "edit", **quiet}
        begin, full, settle = (errors_as_messages(each) for each in (self._begin, self._full, self._settle))
        follow_sliders(sliders, [self.controls["full_frame"]])
        # Arrow keys and typed numbers tell of no letting go.
        self.compare.rest(settle, inputs, outputs, trigger_mode="always_last", **work)
        for slider in sliders:
            slider.release(full, inputs, outputs, trigger_mode="always_last", **work)
        for name in ("source", "full_frame"):
            self.controls[name].change(begin, inputs, outputs, **quiet).then(full, inputs, outputs, **work)
        self.faces.select(self._choose_face, None, [self.controls["source"]], **quiet)
        for name, button in self.quick_edits.items():
            button.click(_quick_edit(name), None, sliders, queue=False, **quiet).then(
                begin, inputs, outputs, **quiet
            ).then(full, inputs, outputs, **work)

    def _choose_face(self, chosen: gr.SelectData) -> str:
        return str(EXAMPLES[chosen.index].source)

    def _begin(self, data: dict, request: gr.Request) -> tuple:
        """The preview first: the model may take its time."""
        values = self.controls.values(data)
        if not values["source"]:
            self.forget(request.session_hash)
            return placeholder_html(READY), gr.DownloadButton(interactive=False)
        shown = self._look_at(check_photo(values["source"], self.context.limits))
        self._shown[request.session_hash], self._latest[request.session_hash] = shown, _sliders(values)
        edited = self.context.previews.edited(shown.source, _edit(values))
        before, after = _pair(edited, shown.photo, shown.crop, values["full_frame"])
        return compare_html(before, after, PREVIEW, shown.name), gr.DownloadButton(interactive=False)

    def _look_at(self, path: Path) -> _Shown:
        source = self.context.previews.source(path)
        photo, crop = shrunk_source(load_image(path), source.crop, PREVIEW_SIDE_PX)
        return _Shown(uuid.uuid4().hex, source, photo, crop)

    def _preview(self, data: list) -> dict[str, str]:
        """Called by the page while a slider moves: [name of the photo, values of sliders and check box]."""
        name, values = data
        session = next((session for session, shown in self._shown.items() if shown.name == name), None)
        if session is None or len(values) != len(NAMES) + 1:
            return {}
        self._latest[session], shown = values, self._shown[session]
        if session in self._rendered and values == _sliders(self._rendered[session]):
            return {}  # the finished image is there
        self._rendered.pop(session, None)  # the preview takes its place
        *amounts, full_frame = values
        try:
            edit = _edit(dict(zip(NAMES, amounts, strict=True)))
            edited = self.context.previews.edited(shown.source, edit)
        except ValueError as error:
            return {"caption": plain(str(error))}
        _, after = _pair(edited, shown.photo, shown.crop, full_frame)
        return {"image": as_uri(after), "caption": PREVIEW}

    def _settle(self, data: dict, request: gr.Request) -> tuple | dict:
        """The finished image once the sliders rest, if it is not there already."""
        values = self.controls.values(data)
        return gr.skip() if values == self._rendered.get(request.session_hash) else self._full(data, request)

    def _full(self, data: dict, request: gr.Request) -> tuple | dict:
        """The model's own image, and a file to keep."""
        values, session = self.controls.values(data), request.session_hash
        if not values["source"]:
            return gr.skip()
        started = time.perf_counter()
        model = self.context.model
        sampling = model.sampling(model.default_quality)
        path = check_photo(values["source"], self.context.limits)
        self._latest[session] = _sliders(values)
        edited = self.context.edit(path, "largest", _edit(values), sampling)
        if self._latest.get(session) != _sliders(values):  # they moved on meanwhile
            return gr.skip()
        self._rendered[session] = values
        photo, crop = shrunk_source(load_image(path), edited.crop, self.context.limits.output_side_px)
        before, after = _pair(edited, photo, crop, values["full_frame"])
        file = self.context.sessions.new_folder(session) / "edited.png"
        save_png(file, after)
        steps = f", {steps_in_words(model.steps_per_frame(sampling))}" if model.presets else ""
        caption = f"Finished: {after.shape[1]} x {after.shape[0]} px{steps}, {time.perf_counter() - started:.1f} s."
        name = self._shown[session].name if session in self._shown else ""
        return compare_html(before, after, caption, name), gr.DownloadButton(value=str(file), interactive=True)

    def forget(self, session: str) -> None:
        """Drop what is kept of a session."""
        for kept in (self._rendered, self._latest, self._shown):
            kept.pop(session, None)


def _pair(edited: EditedSource, photo: Tensor, crop: CropTransform, full_frame: bool) -> tuple[Tensor, Tensor]:
    """Images before and after, uint8 (H, W, 3): the faces alone, or in the whole photo."""
    if not full_frame:
        return tuple(model_to_uint8(image)[0] for image in (edited.before, edited.after))
    return photo, paste_back(photo, edited.after, crop)[0]


def _sliders(values: dict[str, Any]) -> list:
    """What moves the image, in the order in which the page tells it."""
    return [values[name] for name in (*NAMES, "full_frame")]


def _edit(values: dict[str, Any]) -> PoseEdit:
    return PoseEdit(**{name: float(values[name]) for name in NAMES})


def _quick_edit(name: str):
    def values() -> list[float]:
        return [QUICK_EDITS[name].get(slider, 0) for slider in NAMES]

    return values
