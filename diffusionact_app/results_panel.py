"""The right half of the Animate tab: how far the job is, the last frame, and both videos to see and to save."""

from __future__ import annotations

import gradio as gr
from gradio.components import Component

from diffusionact.pipelines.preview import PREVIEW_TITLE

from .jobs import JobProgress
from .messages import plain
from .status import progress_html, ready_html


class ResultsPanel:
    """Built in the current column.

    Attributes:
        status: one line and a bar.
        tabs, stage, preview_clip, side, full, save_side, save_full: see `__init__`.
    """

    def __init__(self) -> None:
        self.status = gr.HTML(ready_html(), elem_id="animate-status")
        with gr.Tabs(elem_id="results") as self.tabs:
            with gr.Tab("Last frame", id="live"):
                self.stage = gr.Image(
                    label="Source, driver, result",
                    type="numpy",
                    interactive=False,
                    height=300,
                    format="jpeg",
                    buttons=[],
                    elem_id="stage",
                )
            with gr.Tab("Preview", id="preview") as self.preview_tab:
                self.preview_clip = gr.Video(
                    label=PREVIEW_TITLE, interactive=False, height=300, loop=True, autoplay=True, elem_id="preview-clip"
                )
            with gr.Tab("Side by side", id="side"):
                self.side = gr.Video(
                    label="Side by side", interactive=False, height=300, loop=True, elem_id="side-by-side"
                )
            with gr.Tab("Whole photo", id="full") as self.full_tab:
                self.full = gr.Video(
                    label="Whole photo", interactive=False, height=440, loop=True, elem_id="full-frame"
                )
        with gr.Row():
            self.save_side = gr.DownloadButton("Save side by side", interactive=False, size="md")
            self.save_full = gr.DownloadButton("Save whole photo", interactive=False, size="md")

    @property
    def of_jobs(self) -> list[Component]:
        """What a job fills."""
        return [self.tabs, self.stage, self.side, self.full, self.save_side, self.save_full]

    def frame(self, progress: JobProgress) -> dict:
        """Updates for a job at work."""
        updates: dict = {self.status: progress_html(progress)}
        is_first_frame = progress.done == 1 and progress.preview is not None
        if progress.stage == "encoding" or is_first_frame:
            updates[self.tabs] = gr.Tabs(selected="live")
        if progress.preview is not None:
            updates[self.stage] = progress.preview.numpy()
        return updates

    def finished(self, progress: JobProgress) -> dict:
        """Updates for a job that is over; what went wrong pops up."""
        if progress.reason:
            gr.Warning(plain(progress.reason), title="The video broke off; the frames before it are kept", duration=15)
        for problem in progress.problems:
            gr.Warning(plain(problem), title="A video is not whole", duration=15)
        updates: dict = {self.status: progress_html(progress)}
        if progress.side_by_side is None:
            return updates
        side, full = str(progress.side_by_side), str(progress.full_frame)
        return updates | {
            self.tabs: gr.Tabs(selected="side"),
            self.side: side,
            self.full: full,
            self.save_side: gr.DownloadButton(value=side, interactive=True),
            self.save_full: gr.DownloadButton(value=full, interactive=True),
        }
