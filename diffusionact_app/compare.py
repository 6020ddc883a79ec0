"""The Edit tab's panel: an image before and after, with a bar between them, which follows sliders by itself.

Gradio's queue takes longer than a geometry preview; so the page asks a function of this panel directly.
"""

from __future__ import annotations

import base64
import io
import uuid
from collections.abc import Callable
from html import escape
from pathlib import Path

import gradio as gr
from gradio.components import Component
from PIL import Image
from torch import Tensor

SCRIPT = Path(__file__).with_name("compare.js")
JPEG_QUALITY = 90
FOLLOW = "(...values) => { window.followSliders?.(values); }"


def compare_panel(show: Callable[[list], dict], placeholder: str, elem_id: str) -> gr.HTML:
    """The panel. Its event `rest` says that the sliders have not moved for half a second.

    Args:
        show: takes [name of the photo, values of the sliders]; returns "image", a data URI, and "caption".
        placeholder: HTML that stands there before there is an image.
        elem_id: of the panel in the page.
    """

    def preview(data: list) -> dict:  # named as the script calls it; a method would not bear gradio's mark
        return show(data)

    script = SCRIPT.read_text(encoding="utf-8")
    return gr.HTML(placeholder, js_on_load=script, server_functions=[preview], elem_id=elem_id)


def follow_sliders(sliders: list[gr.Slider], others: list[Component]) -> None:
    """Let the panel follow sliders; `others` are controls whose values are sent along."""
    gr.on(
        [slider.input for slider in sliders],
        None,
        [*sliders, *others],
        None,
        js=FOLLOW,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )


def compare_html(before: Tensor, after: Tensor, caption: str, photo: str) -> str:
    """The panel's content.

    Args:
        before, after: uint8 (H, W, 3), equal in size.
        caption: one line below.
        photo: name under which `show` knows the photo.
    """
    height, width = before.shape[:2]
    images = "".join(
        f'<img class="{name.lower()}" alt="{name}" src="{as_uri(image)}" draggable="false">'
        for name, image in (("Before", before), ("After", after))
    )
    # The number makes every answer of the server another one, so that the page shows it in place of a preview.
    return (
        f'<figure class="compare" data-photo="{escape(photo)}" data-number="{uuid.uuid4().hex}">'
        f'<div class="pair" style="--aspect: {width / height:.4f}">{images}<span class="bar-between"></span>'
        '<span class="side">Before</span><span class="side">After</span>'
        '<input type="range" min="0" max="100" value="50" aria-label="Bar between before and after"></div>'
        f'<figcaption role="status">{escape(caption)}</figcaption></figure>'
    )


def as_uri(image: Tensor) -> str:
    """An image uint8 (H, W, 3) as a data URI: JPEG, which is ready ten times sooner than PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image.numpy()).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def placeholder_html(text: str) -> str:
    """What stands there without an image."""
    return f'<div class="compare-empty">{escape(text)}</div>'
