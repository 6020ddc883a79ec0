"""The faces of a group, numbered on the photo: a click chooses one, and below stands what it does."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image, ImageDraw

from diffusionact.images import load_image
from diffusionact.motion import PRESETS

from .controls import Controls
from .messages import errors_as_messages
from .vision import SHOWN_PX, face_at

# What a face does, beside the bundled motions.
VIDEO, OWN, STILL = "video", "own", "still"
CHOICES = [
    ("As the driving video", VIDEO),
    ("As a video of its own", OWN),
    ("Stays as it is", STILL),
    *((name.replace("_", " ").capitalize(), name) for name in PRESETS),
]
TITLES = {what: title for title, what in CHOICES} | {VIDEO: "video", OWN: "own video", STILL: "still"}
CHOSEN_COLOUR, MOVING_COLOUR, STILL_COLOUR = "#37d0a0", "#ffb347", "#9aa3a0"
NO_FACES = "Upload a photo; its faces are shown here with numbers."
HINT = "Click a face, then choose what it does. Faces without a video or a motion stay as they are."


class GroupPanel:
    """The numbered photo, and the choice for one face at a time.

    Args:
        controls: get "drivers", index of a face -> (what it does, its own video or None).
        max_faces: only so many are offered, the largest.

    Attributes:
        parts: all that `show` fills, in its order.
    """

    def __init__(self, controls: Controls, max_faces: int):
        self._max_faces = max_faces
        self._hint = gr.Markdown(NO_FACES)
        self.picture = gr.Image(
            label="Faces", type="pil", interactive=False, height=300, format="jpeg", buttons=[], elem_id="group-faces"
        )
        self._face = gr.Radio([], label="Face", visible=False, elem_id="group-face")
        self._what = gr.Dropdown(CHOICES, value=VIDEO, label="What it does", visible=False, elem_id="group-what")
        self._own = gr.Video(
            label="Its own video",
            sources=["upload", "webcam"],
            height=220,
            visible=False,
            elem_id="group-own",
            elem_classes="driver",
            webcam_options=gr.WebcamOptions(mirror=False),
            buttons=[],
        )
        self.drivers = controls.add("drivers", gr.State({}))
        self._photo, self._boxes = gr.State(None), gr.State([])
        self.parts: list[Component] = [self._hint, self.picture, self._face, self._what, self._own, self.drivers]
        self._connect()

    def _connect(self) -> None:
        quiet = {"show_progress": "hidden", "api_visibility": "private"}
        seen = [self._photo, self._boxes, self.drivers]
        self.picture.select(errors_as_messages(self._click), seen, self.parts, **quiet)
        self._face.input(errors_as_messages(self._choose), [*seen, self._face], self.parts, **quiet)
        told = [*seen, self._face, self._what, self._own]
        gr.on(
            [self._what.input, self._own.upload, self._own.clear, self._own.stop_recording],
            errors_as_messages(self._set),
            told,
            self.parts,
            **quiet,
        )

    def follow(self, source: gr.Image, boxes: gr.State) -> None:
        """Show the faces of a photo whenever they were found; `boxes` are px of the photo at SHOWN_PX."""
        boxes.change(
            errors_as_messages(self._new_photo),
            [source, boxes],
            [*self.parts, self._photo, self._boxes],
            show_progress="hidden",
            api_visibility="private",
        )

    def _new_photo(self, path: str | None, boxes: list) -> tuple:
        if not path or not boxes:
            hidden = gr.update(visible=False)
            return NO_FACES, None, hidden, hidden, hidden, {}, None, []
        photo = Image.fromarray(load_image(path).numpy())
        photo.thumbnail((SHOWN_PX, SHOWN_PX))
        boxes = boxes[: self._max_faces]
        drivers = {index: (VIDEO, None) for index in range(len(boxes))}
        return *self._shown(photo, boxes, drivers, 0), photo, boxes

    def _click(self, photo: Image.Image | None, boxes: list, drivers: dict, event: gr.SelectData) -> tuple:
        face = face_at(boxes, *event.index)
        if face is None:
            raise ValueError("Expected a click on a face, received one beside all of them. Click inside a box.")
        return self._shown(photo, boxes, drivers, face)

    def _choose(self, photo: Image.Image | None, boxes: list, drivers: dict, face: int) -> tuple:
        return self._shown(photo, boxes, drivers, face)

    def _set(
        self, photo: Image.Image | None, boxes: list, drivers: dict, face: int, what: str, own: str | None
    ) -> tuple:
        return self._shown(photo, boxes, drivers | {face: (what, own)}, face)

    def _shown(self, photo: Image.Image, boxes: list, drivers: dict, face: int) -> tuple:
        """Updates of `parts` with one face chosen."""
        what, own = drivers[face]
        numbers = [(f"{index + 1}", index) for index in range(len(boxes))]
        title = f"What face {face + 1} does"
        return (
            HINT,
            draw_group(photo, boxes, {index: TITLES[doing] for index, (doing, _) in drivers.items()}, face),
            gr.Radio(numbers, value=face, visible=len(boxes) > 1),
            gr.Dropdown(value=what, label=title, visible=True),
            gr.Video(value=own, label=f"Video of face {face + 1}", visible=what == OWN),
            drivers,
        )


def draw_group(photo: Image.Image, boxes: list, words: dict[int, str], chosen: int) -> Image.Image:
    """A photo with its faces framed and numbered, and what each does.

    Args:
        photo: as it is shown.
        boxes: left, top, right, bottom of each face, px.
        words: of each face.
        chosen: index of the face that is framed in another colour.
    """
    shown = photo.copy()
    draw, line = ImageDraw.Draw(shown), max(2, round(max(photo.size) / 240))
    for index, box in reversed(list(enumerate(boxes))):  # the nearest last, over the others
        colour: Any = CHOSEN_COLOUR if index == chosen else STILL_COLOUR if words[index] == "still" else MOVING_COLOUR
        draw.rectangle(box, outline=colour, width=2 * line if index == chosen else line)
        text, size = f"{index + 1} {words[index]}", 7 * line
        corner = (box[0], max(0, box[1] - 1.3 * size))
        left, top, right, bottom = draw.textbbox(corner, text, font_size=size)
        draw.rectangle((left - line, top - line, right + line, bottom + line), fill=colour)
        draw.text(corner, text, fill="black", font_size=size)
    return shown
