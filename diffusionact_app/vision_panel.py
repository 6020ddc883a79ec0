"""The fold "What the model sees": landmarks and crop on source and driver; a click on a face chooses it."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr
from gradio.components import Component
from PIL import Image
from torch import Tensor

from diffusionact.face.errors import NoFaceFoundError
from diffusionact.images import load_image

from .checks import check_photo, check_video
from .context import Context
from .controls import Controls
from .messages import errors_as_messages
from .scene_panels import first_frame
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
        uploads: what `image` takes of each kind.
    """

    def __init__(self, context: Context, controls: Controls):
        self.context = context
        self.shown: dict[str, gr.Image] = {}
        self.uploads = {kind: [controls[kind]] for kind in DEFAULT_FACE}
        self.uploads["clip"].append(controls["clip_start"])
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
                [self.boxes[kind], *self.uploads[kind]],
                [self.shown[kind], self._chosen[kind]],
                show_progress="hidden",
                api_visibility="private",
            )

    def shows(self, kind: str) -> tuple[Callable, list[Component]]:
        """The handler that takes the `uploads` of a kind, "source", "clip" or "driving", and what it fills."""

        def show(path: str | None, start: float = 0) -> tuple:
            if path is None:
                return None, DEFAULT_FACE[kind], []
            image = self.image(kind, path, start)
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
        def choose(event: gr.SelectData, boxes: list, path: str, start: float = 0) -> tuple:
            face = face_at(boxes, *event.index)
            if face is None:
                raise ValueError("Expected a click on a face, received one beside all of them. Click inside a box.")
            return mark_faces(self.context.model, self.image(kind, path, start), face).image, face

        return choose

    def image(self, kind: str, path: str, start: float = 0) -> Tensor:
        """What of an upload is looked at, uint8 (H, W, 3): a photo, or the first frame, a clip's as jobs read it."""
        limits = self.context.limits
        if kind == "source":
            return load_image(check_photo(path, limits))
        video = check_video(path, limits, start, name=VIDEO_NAMES[kind])
        return first_frame(video, limits.output_side_px) if kind == "clip" else next(iter(video))
