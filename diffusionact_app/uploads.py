"""Upload fields, and the examples' photos that stand beside them. An image is handed on as it came: gradio's own
conversion loses transparency and 16-bit levels, and decodes an image before anybody has looked at its size.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components.image import ImageData

from .examples import EXAMPLES


def photo_upload(**options: Any) -> gr.Image:
    """A field whose handlers receive the path of the uploaded file, or None; `checks.check_photo` looks at it.

    Do not update its properties: gradio would make the field anew, as its own. Show and hide what lies around it.
    """
    field = gr.Image(type="filepath", **options)
    field.preprocess = _path
    return field


def _path(payload: ImageData | None) -> str | None:
    return payload.path if payload else None


def example_photos(title: str, elem_id: str, **looks: Any) -> gr.Gallery:
    """The photos of the bundled examples, to choose one by a click, with a line above them."""
    gr.HTML(title, elem_classes="gallery-title")
    return gr.Gallery(
        value=[(str(example.source), example.title) for example in EXAMPLES],
        show_label=False,
        columns=len(EXAMPLES),
        rows=1,
        object_fit="cover",
        allow_preview=False,
        interactive=False,
        buttons=[],
        elem_id=elem_id,
        **looks,
    )
