"""The Batch tab: several sources, one driver, one zip. A source that fails is named and does not stop the others."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from diffusionact.images import written_under_temporary_name

from .checks import check_frames, check_photo, check_time, check_video
from .context import Context
from .controls import Controls, driver_options, quality_choice
from .costs import in_words
from .crop_panel import CROP_DEFAULTS
from .job_making import make_job
from .jobs import JobProgress
from .messages import as_message, plain
from .run_buttons import RunButtons
from .source_kinds import PHOTO
from .status import progress_html, ready_html

READY = "Choose photos and a video, and press Animate all."


class BatchTab:
    """Builds the tab inside the current `gr.Blocks` and connects it."""

    def __init__(self, context: Context):
        self.context = context
        self.controls = Controls("batch-")
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self._inputs()
            with gr.Column(scale=6, min_width=300):
                self._outputs()
        outputs = [self.gallery, self.report, self.save]
        self.buttons.connect(self._run, self.controls.all(), outputs, self.status, ready_html("Ready", READY))

    def _inputs(self) -> None:
        add = self.controls.add
        add(
            "sources",
            gr.File(
                label=f"Source photos, up to {self.context.limits.batch_sources}",
                file_count="multiple",
                height=170,
                elem_id="batch-sources",
            ),
        )
        add(
            "driving",
            gr.Video(
                label="Driving video",
                sources=["upload", "webcam"],
                height=260,
                elem_id="batch-driving",
                elem_classes="driver",
                webcam_options=gr.WebcamOptions(mirror=False),
                buttons=[],
            ),
        )
        quality_choice(self.controls, self.context.model)
        with gr.Accordion("Options", open=False):
            driver_options(self.controls, self.context.limits)
        with gr.Row():
            self.buttons = RunButtons("Animate all", "batch", self.context.sessions)

    def _outputs(self) -> None:
        self.status = gr.HTML(ready_html("Ready", READY), elem_id="batch-status")
        self.gallery = gr.Gallery(
            label="Last frames",
            columns=1,
            height=340,
            object_fit="contain",
            interactive=False,
            buttons=[],
            elem_id="batch-gallery",
        )
        self.report = gr.Markdown(elem_id="batch-report")
        self.save = gr.DownloadButton("Save all as zip", interactive=False, size="md", elem_id="batch-save")

    def _run(self, data: dict, request: gr.Request) -> Iterator[dict]:
        """Render one source after the other."""
        values = self.controls.values(data)
        sources = self._sources(values["sources"])
        clip = check_video(values["driving"], self.context.limits, values["start"], values["end"])
        wanted = check_frames(values["frames"], self.context.limits)
        frames = min(clip.frame_count or wanted, wanted)
        model = self.context.model
        each = model.estimate(frames, model.sampling(values["quality"]))
        check_time(each * len(sources), frames * len(sources), self.context.limits)
        running = self.buttons.running() | {self.report: ""}
        made: list[tuple[str, JobProgress]] = []
        shown: list[tuple[Any, str]] = []
        notes: list[str] = []
        for index, path in enumerate(sources):
            folder = self.context.sessions.new_folder(request.session_hash)
            title = f"{Path(path).name}, {index + 1} of {len(sources)}"
            last = None
            try:
                source = check_photo(path, self.context.limits)
                job = make_job(self.context, values | AS_USUAL, source, clip, folder)
                for last in self.context.animate(job):
                    self.context.sessions.keep(request.session_hash)
                    if last.preview is not None:
                        image = last.preview.numpy()
                    yield {self.status: progress_html(last, title), **running}
            except Exception as error:  # noqa: BLE001 - logged by as_message; the sources before it must not be lost
                notes.append(f"**{Path(path).name}**: {as_message(error).message}")
                continue
            if last.side_by_side is not None:
                made.append((f"{index + 1:02d}_{Path(path).stem}", last))
                shown.append((image, Path(path).name))
                yield {self.gallery: shown, **running}
            if last.reason:
                notes.append(f"**{Path(path).name}**: {plain(last.reason)}")
            if job.is_stopped:
                notes.append("Stopped; what was made so far is in the zip.")
                break
        yield self._finished(made, notes, request.session_hash)

    def _sources(self, paths: list[str] | None) -> list[str]:
        if not paths:
            raise ValueError("Expected source photos, received none. Upload one or more.")
        most = self.context.limits.batch_sources
        if len(paths) > most:
            raise ValueError(f"Expected at most {most} source photos, received {len(paths)}. Leave some out.")
        return paths

    def _finished(self, made: list[tuple[str, JobProgress]], notes: list[str], session: str) -> dict:
        updates: dict = {
            self.report: "\n\n".join(notes),
            **self.buttons.idle(),
        }
        if not made:
            return updates | {self.status: ready_html("Nothing was made", "The reasons stand below.")}
        path = self.context.sessions.new_folder(session) / "reenacted.zip"
        seconds = sum(progress.seconds for _, progress in made)
        with written_under_temporary_name(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for name, progress in made:
                archive.write(progress.side_by_side, f"{name}_side_by_side.mp4")
                archive.write(progress.full_frame, f"{name}_full_frame.mp4")
        note = f"{len(made)} of the sources in {in_words(seconds)}."
        return updates | {
            self.status: ready_html("Done", note),
            self.save: gr.DownloadButton(value=str(path), interactive=True),
        }


# Faces and crops are chosen on the Animate tab only.
AS_USUAL = {"kind": PHOTO, "source_face": "largest", "driving_face": "follow", **CROP_DEFAULTS}
