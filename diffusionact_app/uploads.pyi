"""Upload fields. An image is handed on as it came: gradio's own conversion loses transparency and 16-bit levels, and
decodes an image before anybody has looked at its size.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components.image import ImageData

class PhotoUpload(gr.Image):
    """gradio's field, whose handlers receive the path of the file as it came; a class, as gradio makes fields anew."""

    is_template = True  # looks like its base in the page

    def preprocess(self, payload: ImageData | None) -> str | None:
        """The path of the uploaded file, or None."""
        return payload.path if payload else None
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


def photo_upload(**options: Any) -> gr.Image:
    """A field whose handlers receive the path of the uploaded file, or None; `checks.check_photo` looks at it."""
    return PhotoUpload(type="filepath", **options)