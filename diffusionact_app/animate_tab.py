"""The Animate tab: a photo and a video in, videos out, with the frame being made in between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from diffusionact import PoseOptions
from diffusionact.pipelines.preview import PREVIEW_TITLE
from diffusionact.video import FrameSource

from .animation import AnimateJob
from .checks import check_frames, check_photo, check_time, check_video
from .context import Context
from .controls import Controls, driver_options, output_choice, quality_choice
from .examples import EXAMPLES
from .messages import errors_as_messages, plain
from .motions import AS_THE_VIDEO, CHOICES, MotionClip, motion_clip
from .run_buttons import RunButtons
from .status import estimate_html, progress_html, ready_html
from .uploads import photo_upload
from .vision_panel import VisionPanel

KEPT = "Made beforehand with the model photo. Press Animate to make it here."
PREVIEW_BEGUN = "Every second frame, small."
# On a phone the result lies below the fold.
SHOW_STATUS = "() => { if (innerWidth < 640) document.getElementById('animate-status').scrollIntoView(); }"


class AnimateTab:
    """Builds the tab inside the current `gr.Blocks` and connects it."""

    def __init__(self, context: Context):
        self.context = context
        self.controls = Controls()
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=300):
                self._inputs()
            with gr.Column(scale=6, min_width=300):
                self._outputs()
        self._connect()

    def _inputs(self) -> None:
        add = self.controls.add
        with gr.Row():
            add(
                "source",
                photo_upload(
                    label="Source photo",
                    sources=["upload", "webcam", "clipboard"],
                    height=260,
                    elem_id="animate-source",
                    buttons=[],
                ),
            )
            add(
                "driving",
                gr.Video(
                    label="Driving video",
                    sources=["upload", "webcam"],
                    height=260,
                    elem_id="animate-driving",
                    elem_classes="driver",
                    webcam_options=gr.WebcamOptions(mirror=False),
                    buttons=[],
                ),
            )
        gr.HTML("Or try an example, with one click:", elem_classes="gallery-title")
        self.gallery = gr.Gallery(
            value=[(str(example.source), example.title) for example in EXAMPLES],
            show_label=False,
            columns=3,
            rows=1,
            height=150,
            object_fit="cover",
            allow_preview=False,
            interactive=False,
            buttons=[],
            elem_id="examples",
        )
        add(
            "motion",
            gr.Dropdown(
                CHOICES,
                value=AS_THE_VIDEO,
                label="Motion",
                info="Without a video: choose what the photo does.",
                elem_id="animate-motion",
            ),
        )
        quality_choice(self.controls, self.context.model)
        output_choice(self.controls, self.context.model)
        with gr.Row():
            self.buttons = RunButtons("Animate", "animate", self.context.sessions)
        self.preview = gr.Button("Preview the first seconds", size="md", elem_id="animate-preview")
        self.estimate = gr.HTML(estimate_html(), elem_id="estimate")
        with gr.Accordion("Options", open=False):
            driver_options(self.controls, self.context.limits)
        self.vision = VisionPanel(self.context, self.controls)

    def _outputs(self) -> None:
        self.status = gr.HTML(ready_html(), elem_id="animate-status")
        with gr.Tabs(elem_id="results") as self.results:
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
            with gr.Tab("Preview", id="preview"):
                self.preview_clip = gr.Video(
                    label=PREVIEW_TITLE, interactive=False, height=300, loop=True, autoplay=True, elem_id="preview-clip"
                )
            with gr.Tab("Side by side", id="side"):
                self.side = gr.Video(
                    label="Side by side", interactive=False, height=300, loop=True, elem_id="side-by-side"
                )
            with gr.Tab("Whole photo", id="full"):
                self.full = gr.Video(
                    label="Whole photo", interactive=False, height=440, loop=True, elem_id="full-frame"
                )
        with gr.Row():
            self.save_side = gr.DownloadButton("Save side by side", interactive=False, size="md")
            self.save_full = gr.DownloadButton("Save whole photo", interactive=False, size="md")

    def _connect(self) -> None:
        inputs = self.controls.all()
        private = {"api_visibility": "private"}
        outputs = [self.results, self.stage, self.side, self.full, self.save_side, self.save_full]
        self.buttons.connect(self._run, inputs, outputs, self.status, ready_html())
        for button in (self.buttons.start, self.preview):
            button.click(None, None, None, js=SHOW_STATUS, **private)
        self.preview.click(
            errors_as_messages(self._preview),
            inputs,
            [self.results, self.preview_clip, self.status],
            concurrency_id="preview",
            show_progress_on=[self.preview_clip],
            **private,
        )
        self.gallery.select(None, None, None, js=SHOW_STATUS, **private)
        source, driving = self.controls["source"], self.controls["driving"]
        quiet = {"show_progress": "hidden", **private}
        estimate = errors_as_messages(self._estimate)
        show_source, shown_source = self.vision.shows("source")
        show_driving, shown_driving = self.vision.shows("driving")
        source.change(show_source, [source], shown_source, **quiet).success(
            errors_as_messages(self._prepare), [source], None, concurrency_id="preview", **quiet
        )
        # A video that cannot be read is complained about once.
        driving.change(errors_as_messages(self._new_video), [driving], [self.controls["frames"]], **quiet).success(
            show_driving, [driving], shown_driving, **quiet
        )
        for name in ("source", "driving", "motion", "quality", "frames", "start", "end"):
            self.controls[name].change(estimate, inputs, [self.estimate], **quiet)
        self.gallery.select(
            self._choose_example,
            None,
            [
                self.controls["source"],
                driving,
                self.controls["relative"],
                self.controls["motion"],
                self.status,
                self.results,
                self.side,
                self.full,
                self.save_side,
                self.save_full,
            ],
            show_progress="hidden",
            **private,
        )

    def _choose_example(self, chosen: gr.SelectData) -> tuple:
        """Fill in an example together with its kept result."""
        example = EXAMPLES[chosen.index]
        side, full = str(example.side_by_side), str(example.full_frame)
        status = ready_html(example.title, KEPT + (" Relative motion is on." if example.relative else ""))
        saves = [gr.DownloadButton(value=path, interactive=True) for path in (side, full)]
        return (
            str(example.source),
            str(example.driving),
            example.relative,
            AS_THE_VIDEO,
            status,
            gr.Tabs(selected="side"),
            side,
            full,
            *saves,
        )

    def _new_video(self, path: str | None) -> Any:
        """Let the number of frames end where the video does."""
        if path is None:
            return gr.Slider(maximum=self.context.limits.frames, value=self.context.limits.frames)
        count = check_video(path, self.context.limits).frame_count or self.context.limits.frames
        most = min(count, self.context.limits.frames)
        return gr.Slider(maximum=max(2, most), value=most)

    def _estimate(self, data: dict) -> str:
        """Say how long the job would take, before it is begun."""
        values = self.controls.values(data)
        if not (values["source"] and (values["driving"] or values["motion"] != AS_THE_VIDEO)):
            return estimate_html()
        try:
            clip = self._clip(values)
        except ValueError:  # told by `_new_video`
            return estimate_html()
        wanted = check_frames(values["frames"], self.context.limits)
        frames = min(clip.frame_count or wanted, wanted)
        return estimate_html(self._seconds(values, frames), frames, clip.frame_count, self.context.limits)

    def _seconds(self, values: dict[str, Any], frames: int) -> float:
        model = self.context.model
        is_encoded = model.is_encoded(Path(values["source"]), values["source_face"])
        return model.estimate(frames, model.sampling(values["quality"]), is_encoded)

    def _clip(self, values: dict[str, Any]) -> FrameSource | MotionClip:
        """What drives: the video, or the chosen motion in its place."""
        if values["motion"] != AS_THE_VIDEO:
            return motion_clip(values["motion"], self.context.limits.frames)
        return check_video(values["driving"], self.context.limits, values["start"], values["end"])

    def _run(self, data: dict, request: gr.Request) -> Iterator[dict]:
        """Render; every update shows what is new."""
        values = self.controls.values(data)
        source = check_photo(values["source"], self.context.limits)
        clip = self._clip(values)
        job = make_job(self.context, values, source, clip, self.context.sessions.new_folder(request.session_hash))
        check_time(self._seconds(values, job.total), job.total, self.context.limits)
        for progress in self.context.animate(job):
            self.context.sessions.keep(request.session_hash)
            yield self._show(progress)

    def _prepare(self, path: str | None) -> None:
        """Read the photo while the visitor looks for a video, so that a preview begins at once."""
        if path is not None:
            self.context.previews.source(check_photo(path, self.context.limits))

    def _preview(self, data: dict, request: gr.Request) -> Iterator[tuple]:
        """A small clip of the first seconds, by geometry, before the job is begun."""
        values = self.controls.values(data)
        source = check_photo(values["source"], self.context.limits)
        clip = self._clip(values)
        yield gr.Tabs(selected="preview"), None, ready_html("Preview", PREVIEW_BEGUN)
        started = time.perf_counter()
        job = make_job(self.context, values, source, clip, self.context.sessions.new_folder(request.session_hash))
        path = self.context.previews.write_clip(job)
        note = f"{PREVIEW_TITLE}; made in {time.perf_counter() - started:.1f} s. Press Animate for the result."
        yield gr.skip(), str(path), ready_html("Preview", note)

    def _show(self, progress: JobProgress) -> dict:
        if progress.stage in ("done", "stopped", "broken"):
            return {self.status: progress_html(progress), **self._finished(progress)}
        updates = {self.status: progress_html(progress), **self.buttons.running()}
        is_first_frame = progress.done == 1 and progress.preview is not None
        if progress.stage == "encoding" or is_first_frame:
            updates[self.results] = gr.Tabs(selected="live")
        if progress.preview is not None:
            updates[self.stage] = progress.preview.numpy()
        return updates

    def _finished(self, progress: JobProgress) -> dict:
        updates = self.buttons.idle()
        if progress.reason:
            gr.Warning(plain(progress.reason), title="The video broke off; the frames before it are kept", duration=15)
        for problem in progress.problems:
            gr.Warning(plain(problem), title="The driving video is not whole", duration=15)
        if progress.side_by_side is None:
            return updates
        side, full = str(progress.side_by_side), str(progress.full_frame)
        return updates | {
            self.results: gr.Tabs(selected="side"),
            self.side: side,
            self.full: full,
            self.save_side: gr.DownloadButton(value=side, interactive=True),
            self.save_full: gr.DownloadButton(value=full, interactive=True),
        }


def make_job(context: Context, values: dict[str, Any], source: Path, clip: Any, folder: Path) -> AnimateJob:
    """The job that the controls describe.

    Raises:
        ValueError: if an option is out of range.
    """
    return AnimateJob(
        source=source,
        driving=clip,
        folder=folder,
        source_face=values["source_face"],
        options=PoseOptions(
            face=values["driving_face"],
            missing=values["missing"],
            driver_crop="clip" if values["carry_roll"] else "frame",
            relative=values["relative"],
            expression_gain=values["expression_gain"],
            smoothing=values["smoothing"],
        ),
        sampling=context.model.sampling(values["quality"]),
        frames=check_frames(values["frames"], context.limits),
        feather=values["feather"],
        match_colour=values["match_colour"],
        keep_sound=values["keep_sound"],
        output_side_px=context.limits.output_side_px,
        output=values.get("output", context.model.outputs[0]),
    )
