"""The faces of a group, numbered on a photo or a frame: a click chooses one, and below stands what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image, ImageDraw
from torch import Tensor

from diffusionact.motion import PRESETS
from diffusionact.pipelines.group_clip import OWN

from .controls import Controls
from .messages import errors_as_messages
from .vision import SHOWN_PX, face_at

# What a face does, beside the bundled motions, and OWN for those of a clip.
VIDEO, OWN_VIDEO, STILL = "video", "own_video", "still"
VIDEOS = [("As the driving video", VIDEO), ("As a video of its own", OWN_VIDEO), ("Stays as it is", STILL)]
MOTIONS = [(name.replace("_", " ").capitalize(), name) for name in PRESETS]
TITLES = {what: title for title, what in MOTIONS}
TITLES |= {VIDEO: "video", OWN_VIDEO: "own video", STILL: "still", OWN: "eyes, mouth"}
CHOSEN_COLOUR, MOVING_COLOUR, STILL_COLOUR = "#37d0a0", "#ffb347", "#9aa3a0"


@dataclass(frozen=True)
class GroupKind:
    """Where the faces are.

    Attributes:
        drivers: name of the control that gets what they do.
        element: beginning of the parts' ids in the page.
        choices: what a face may do, by what the page calls it.
        others: what faces beside the largest do at first.
        fewest: with fewer faces nothing is shown.
        empty, hint: what stands above, without faces and with them.
    """

    drivers: str
    element: str
    choices: list[tuple[str, str]]
    others: str
    fewest: int
    empty: str
    hint: str


OF_PHOTO = GroupKind(
    drivers="drivers",
    element="group",
    choices=[*VIDEOS, *MOTIONS],
    others=VIDEO,
    fewest=1,
    empty="Upload a photo; its faces are shown here with numbers. For faces of a clip, choose “A video clip” above.",
    hint="Click a face, then choose what it does. Faces without a video or a motion stay as they are.",
)
OF_CLIP = GroupKind(
    drivers="clip_drivers",
    element="clip-group",
    choices=[*VIDEOS, ("Only eyes and mouth, as below", OWN), *MOTIONS],
    others=STILL,
    fewest=2,
    empty="",
    hint="The clip shows several people. Click a face, then choose what it does; it keeps its number through the clip. "
    "Every face that changes takes its time.",
)


class GroupPanel:
    """The numbered image, and the choice for one face at a time.

    Args:
        controls: get the kind's drivers, index of a face -> (what it does, its own video or None).
        max_faces: only so many are offered, the largest.
        kind: where the faces are.

    Attributes:
        parts: all that `_shown` fills, in its order.
    """

    def __init__(self, controls: Controls, max_faces: int, kind: GroupKind):
        self._max_faces, self._kind = max_faces, kind
        self._hint = gr.Markdown(kind.empty)
        self.picture = gr.Image(
            label="Faces",
            type="pil",
            interactive=False,
            height=300,
            format="jpeg",
            buttons=[],
            elem_id=f"{kind.element}-faces",
            elem_classes="group-faces",
        )
        self._face = gr.Radio([], label="Face", visible=False, elem_id=f"{kind.element}-face")
        self._what = gr.Dropdown(
            kind.choices, value=VIDEO, label="What it does", visible=False, elem_id=f"{kind.element}-what"
        )
        self._own = gr.Video(
            label="Its own video",
            sources=["upload", "webcam"],
            height=220,
            visible=False,
            elem_id=f"{kind.element}-own",
            elem_classes="driver",
            webcam_options=gr.WebcamOptions(mirror=False),
            buttons=[],
        )
        self.drivers = controls.add(kind.drivers, gr.State({}))
        self._image, self._boxes = gr.State(None), gr.State([])
        self.parts: list[Component] = [self._hint, self.picture, self._face, self._what, self._own, self.drivers]
        self._connect()

    def _connect(self) -> None:
        quiet = {"show_progress": "hidden", "api_visibility": "private"}
        seen = [self._image, self._boxes, self.drivers]
        self.picture.select(errors_as_messages(self._click), seen, self.parts, **quiet)
        self._face.input(errors_as_messages(self._shown), [*seen, self._face], self.parts, **quiet)
        told = [*seen, self._face, self._what, self._own]
        gr.on(
            [self._what.input, self._own.upload, self._own.clear, self._own.stop_recording],
            errors_as_messages(self._set),
            told,
            self.parts,
            **quiet,
        )

    def follow(self, boxes: gr.State, upload: list[Component], load: Callable[..., Tensor]) -> None:
        """Show the faces of an upload whenever they were found.

        Args:
            boxes: of the faces, px of the image at SHOWN_PX.
            upload: the file first, and what `load` takes beside it.
            load: gives uint8 (H, W, 3).
        """

        def new_image(boxes: list, path: str | None, *further: Any) -> tuple:
            if not path or len(boxes) < self._kind.fewest:
                hidden = gr.update(visible=False)
                return self._kind.empty, None, hidden, hidden, hidden, {}, None, []
            image = Image.fromarray(load(path, *further).numpy())
            image.thumbnail((SHOWN_PX, SHOWN_PX))
            boxes = boxes[: self._max_faces]
            drivers = {index: (self._kind.others if index else VIDEO, None) for index in range(len(boxes))}
            return *self._shown(image, boxes, drivers, 0), image, boxes

        boxes.change(
            errors_as_messages(new_image),
            [boxes, *upload],
            [*self.parts, self._image, self._boxes],
            show_progress="hidden",
            api_visibility="private",
        )

    def _click(self, image: Image.Image | None, boxes: list, drivers: dict, event: gr.SelectData) -> tuple:
        face = face_at(boxes, *event.index)
        if face is None:
            raise ValueError("Expected a click on a face, received one beside all of them. Click inside a box.")
        return self._shown(image, boxes, drivers, face)

    def _set(
        self, image: Image.Image | None, boxes: list, drivers: dict, face: int, what: str, own: str | None
    ) -> tuple:
        return self._shown(image, boxes, drivers | {face: (what, own)}, face)

    def _shown(self, image: Image.Image, boxes: list, drivers: dict, face: int) -> tuple:
        """Updates of `parts` with one face chosen."""
        what, own = drivers[face]
        numbers = [(f"{index + 1}", index) for index in range(len(boxes))]
        title = f"What face {face + 1} does"
        return (
            self._kind.hint,
            draw_group(image, boxes, {index: TITLES[doing] for index, (doing, _) in drivers.items()}, face),
            gr.Radio(numbers, value=face, visible=len(boxes) > 1),
            gr.Dropdown(value=what, label=title, visible=True),
            gr.Video(value=own, label=f"Video of face {face + 1}", visible=what == OWN_VIDEO),
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
