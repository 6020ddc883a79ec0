"""The page: hero, tabs, and what happens when it is closed."""

from __future__ import annotations

import base64

import gradio as gr

from .about_tab import build_about_tab
from .animate_tab import AnimateTab
from .batch_tab import BatchTab
from .context import Context
from .edit_tab import EditTab
from .endpoints import add_endpoints
from .examples import EXAMPLES
from .live_tab import LiveTab
from .scene_endpoints import add_scene_endpoints
from .zero_gpu import IS_ZERO_GPU

TITLE = "DiffusionAct"
HERO = """
# A face, moved by a video

Give one photo and a driving video. DiffusionAct renders that person with the driver's head pose, expression and gaze.
It changes video clips, too, and several faces at once.
"""


def build_page(context: Context) -> gr.Blocks:
    """All tabs, connected; not yet served."""
    keep = context.limits.keep_seconds
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(max(1, keep // 6), keep)) as page:
        _hero()
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Animate"):
                AnimateTab(context)
            with gr.Tab("Edit"):
                edit_tab = EditTab(context)
            with gr.Tab("Live"):
                live_tab = LiveTab(context, is_lent=IS_ZERO_GPU)
            with gr.Tab("Batch"):
                BatchTab(context)
            with gr.Tab("About"):
                build_about_tab(context)
        add_endpoints(context)
        add_scene_endpoints(context)

        def forget(request: gr.Request) -> None:
            context.sessions.close(request.session_hash)
            edit_tab.forget(request.session_hash)
            live_tab.forget(request.session_hash)

        page.unload(forget)
    return page


def _hero() -> None:
    with gr.Row(elem_id="hero"):
        with gr.Column(scale=5, min_width=280):
            gr.Markdown(HERO, elem_id="hero-text")
        with gr.Column(scale=6, min_width=280):
            gr.HTML(_hero_clip(), elem_id="hero-clip", js_on_load=STILL_FOR_THOSE_WHO_ASK)


# Visitors who ask their system for less motion get a clip that waits.
STILL_FOR_THOSE_WHO_ASK = """
if (window.matchMedia('(prefers-reduced-motion: reduce)').matches) {
  const clip = element.querySelector('video'); clip.pause(); clip.controls = true;
}
"""


def _hero_clip() -> str:
    clip = base64.b64encode(EXAMPLES[0].side_by_side.read_bytes()).decode()
    return (
        "<figure><video autoplay loop muted playsinline aria-label='Demo: source, driver and result side by side' "
        f"src='data:video/mp4;base64,{clip}'></video>"
        "<figcaption><span>Source</span><span>Driver</span><span>Result</span></figcaption></figure>"
    )
