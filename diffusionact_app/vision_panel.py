"""The fold "What the model sees": landmarks and crop on source and driver; a click on a face chooses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from diffusionact.face.errors import NoFaceFoundError
from diffusionact.images import load_image

from .checks import check_photo, check_video
from .context import Context
from .controls import Controls
from .messages import errors_as_messages
from .vision import face_at, mark_faces

DEFAULT_FACE = {"source": "largest", "clip": "largest", "driving": "follow"}
VIDEO_NAMES = {"clip": "source clip", "driving": "driving video"}
LABELS = {"source": "Source", "clip": "Source clip, first frame", "driving": "Driver, first frame"}


class VisionPanel:
    """An image of each upload, and which face of it is used.

    Attributes:
        fold: the whole panel.
        shown: the images, of the uploads "source", "clip" and "driving".
        boxes: the faces in them: left, top, right, bottom px, largest first.
    """

    def __init__(self, context: Context, controls: Controls):
        self.context = context
        self.shown: dict[str, gr.Image] = {}
        with gr.Accordion("What the model sees", open=False, elem_id="vision") as self.fold:
            gr.Markdown(
                "Green: the face that is used, with its landmarks. Orange: the crop. Click a face to choose it."
            )
            with gr.Row():
                for kind, label in LABELS.items():
                    self.shown[kind] = gr.Image(
                        label=label,
                        type="pil",
                        interactive=False,
                        height=260,
                        format="jpeg",
                        buttons=[],
                        visible=kind != "clip",
                        elem_id=f"vision-{kind}",
                    )
        self.boxes = {kind: gr.State([]) for kind in DEFAULT_FACE}
        self._chosen = {kind: controls.add(f"{kind}_face", gr.State(DEFAULT_FACE[kind])) for kind in DEFAULT_FACE}
        for kind in DEFAULT_FACE:
            self.shown[kind].select(
                errors_as_messages(self._chooser(kind)),
                [controls[kind], self.boxes[kind]],
                [self.shown[kind], self._chosen[kind]],
                show_progress="hidden",
                api_visibility="private",
            )

    def shows(self, kind: str) -> tuple[Callable, list[Component]]:
        """The handler that takes an upload of a kind, "source", "clip" or "driving", and what it fills."""

        def show(path: str | None) -> tuple:
            if path is None:
                return None, DEFAULT_FACE[kind], []
            image = self._image(kind, path)
            try:
                found = mark_faces(self.context.model, image, 0)
            except NoFaceFoundError:
                if kind == "source":
                    raise
                gr.Info("The first frame of the video shows no face. Later frames may.", duration=8)
                return Image.fromarray(image.numpy()), DEFAULT_FACE[kind], []
            return found.image, DEFAULT_FACE[kind], found.boxes.tolist()

        return errors_as_messages(show), [self.shown[kind], self._chosen[kind], self.boxes[kind]]

    def forgets(self, kind: str) -> tuple[Callable, list[Component]]:
        """The handler for an upload that cannot be used, and what it empties, as the faces are the last one's."""
        return lambda: (None, DEFAULT_FACE[kind], []), [self.shown[kind], self._chosen[kind], self.boxes[kind]]

    def _chooser(self, kind: str) -> Callable:
        def choose(path: str, boxes: list, event: gr.SelectData) -> tuple:
            face = face_at(boxes, *event.index)
            if face is None:
                raise ValueError("Expected a click on a face, received one beside all of them. Click inside a box.")
            return mark_faces(self.context.model, self._image(kind, path), face).image, face

        return choose

    def _image(self, kind: str, path: str) -> Any:
        if kind == "source":
            return load_image(check_photo(path, self.context.limits))
        return next(iter(check_video(path, self.context.limits, name=VIDEO_NAMES[kind])))
