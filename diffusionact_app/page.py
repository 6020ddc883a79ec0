"""The page: hero, tabs, footer; and the server around it."""

from __future__ import annotations

import base64

import gradio as gr

from .animate_tab import AnimateTab
from .context import Context
from .examples import EXAMPLES

TITLE = "DiffusionAct"
HERO = """
# A face, moved by a video

Give one picture and a driving clip. DiffusionAct renders that person with the driver's head pose, expression and gaze.

Runs on this machine. Uploads are removed after use. The faces here are synthetic.
"""


def build_page(context: Context) -> gr.Blocks:
    """All tabs, connected; not yet served."""
    with gr.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(context.limits.keep_seconds // 6, context.limits.keep_seconds)
    ) as page:
        _hero()
        with gr.Tabs():
            with gr.Tab("Animate"):
                AnimateTab(context)
        page.unload(_forget(context))
    return page


def _hero() -> None:
    with gr.Row(elem_id="hero"):
        with gr.Column(scale=5, min_width=280):
            gr.Markdown(HERO, elem_id="hero-text")
        with gr.Column(scale=6, min_width=280):
            gr.HTML(_hero_clip(), elem_id="hero-clip")


def _hero_clip() -> str:
    clip = base64.b64encode(EXAMPLES[0].side_by_side.read_bytes()).decode()
    return (
        "<figure><video autoplay loop muted playsinline aria-label='Demo: source, driver and result side by side' "
        f"src='data:video/mp4;base64,{clip}'></video>"
        "<figcaption><span>Source</span><span>Driver</span><span>Result</span></figcaption></figure>"
    )


def _forget(context: Context):
    def forget(request: gr.Request) -> None:
        context.sessions.close(request.session_hash)

    return forget
