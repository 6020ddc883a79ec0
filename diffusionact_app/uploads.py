"""Upload fields. An image is handed on as it came: gradio's own conversion loses transparency and 16-bit levels, and
decodes an image before anybody has looked at its size.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components.image import ImageData


def photo_upload(**options: Any) -> gr.Image:
    """A field whose handlers receive the path of the uploaded file, or None; `checks.check_photo` looks at it.

    Do not update its properties: gradio would make the field anew, as its own. Show and hide what lies around it.
    """
    field = gr.Image(type="filepath", **options)
    field.preprocess = _path
    return field


def _path(payload: ImageData | None) -> str | None:
    return payload.path if payload else None
