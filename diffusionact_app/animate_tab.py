"""The Animate tab: a photo or a clip and what drives it in, videos out, with the frame being made in between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from diffusionact.pipelines.preview import PREVIEW_TITLE

from .animation import AnimateJob
from .checks import check_photo, check_time, check_video
from .clip_job import ClipJob
from .clip_options import clip_options, clip_part, driver_end_choice, length_choice, sound_choice
from .context import Context
from .controls import Controls, driver_options, output_choice, quality_choice
from .crop_panel import CropPanel
from .examples import EXAMPLES
from .group_panel import OF_CLIP, OF_PHOTO, GroupPanel
from .job_making import video_job
from .jobs import JobProgress
from .messages import errors_as_messages
from .motions import AS_THE_VIDEO, CHOICES
from .rendering import estimate
from .results_panel import ResultsPanel
from .run_buttons import RunButtons
from .source_kinds import CLIP, GROUP, KINDS, MOTION_INFO, PHOTO, READY_NOTES, STAGE_LABELS, WHOLE_LABELS
from .status import estimate_html, ready_html
from .uploads import example_photos, photo_upload
from .vision_panel import VisionPanel

KEPT = "Made beforehand with the model photo. Press Animate to make it here."
PREVIEW_BEGUN = "Every second frame, small."
# On a phone the result lies below the fold.
SHOW_STATUS = "() => { if (innerWidth < 640) document.getElementById('animate-status').scrollIntoView(); }"
NOWHERE = Path()  # of jobs that are only looked at


class AnimateTab:
    """Builds the tab inside the current `gr.Blocks` and connects it."""

    def __init__(self, context: Context):
        self.context = context
        self.controls = Controls()
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=300):
                self._inputs()
            with gr.Column(scale=6, min_width=300):
                self.results = ResultsPanel()
        self._connect()

    def _inputs(self) -> None:
        self.controls.add("kind", gr.Radio(KINDS, value=PHOTO, label="What moves", elem_id="animate-kind"))
        self._uploads()
        self.faces_note = gr.HTML(visible=False, elem_id="faces-note", elem_classes="gallery-title")
        with gr.Column(visible=False, elem_id="group") as self.group_part:
            self.group = GroupPanel(self.controls, self.context.limits.group_faces, OF_PHOTO)
        with gr.Column(visible=False, elem_id="clip-group") as self.clip_group_part:
            self.clip_group = GroupPanel(self.controls, self.context.limits.group_faces, OF_CLIP)
        with gr.Column(elem_id="example-part") as self.example_part:
            self.gallery = example_photos("Or try an example, with one click:", "examples", height="auto")
        motion = gr.Dropdown(
            CHOICES, value=AS_THE_VIDEO, label="Motion", info=MOTION_INFO[PHOTO], elem_id="animate-motion"
        )
        self.controls.add("motion", motion)
        with gr.Column(visible=False) as self.clip_changes:
            clip_options(self.controls)
        with gr.Row(visible=False) as self.end_row:
            sound_choice(self.controls)
            driver_end_choice(self.controls)
            length_choice(self.controls)
        quality_choice(self.controls, self.context.model)
        output_choice(self.controls, self.context.model)
        with gr.Row():
            self.buttons = RunButtons("Animate", "animate", self.context.sessions)
        self.preview = gr.Button("Preview the first seconds", size="md", elem_id="animate-preview")
        self.estimate = gr.HTML(estimate_html(), elem_id="estimate")
        with gr.Accordion("Options", open=False):
            with gr.Column(visible=False) as self.clip_part:
                clip_part(self.controls)
            driver_options(self.controls, self.context.limits)
        self.vision = VisionPanel(self.context, self.controls)
        self.crop = CropPanel(self.context, self.controls)

    def _uploads(self) -> None:
        """The source, of either kind, and beside it the driver."""
        add, box = self.controls.add, {"height": 260, "buttons": []}
        video: dict[str, Any] = {"sources": ["upload", "webcam"], "elem_classes": "driver"}
        video["webcam_options"] = gr.WebcamOptions(mirror=False)
        with gr.Row():
            sources = ["upload", "webcam", "clipboard"]
            with gr.Column(min_width=160) as self.photo_column:
                add("source", photo_upload(label="Source photo", sources=sources, elem_id="animate-source", **box))
            with gr.Column(min_width=160, visible=False) as self.clip_column:
                add("clip", gr.Video(label="Source clip", elem_id="animate-clip", **video, **box))
            with gr.Column(min_width=160):
                add("driving", gr.Video(label="Driving video", elem_id="animate-driving", **video, **box))

    def _connect(self) -> None:
        inputs = self.controls.all()
        private = {"api_visibility": "private"}
        results, controls = self.results, self.controls
        self.buttons.connect(self._run, inputs, results.of_jobs, results.status, ready_html())
        for button in (self.buttons.start, self.preview):
            button.click(None, None, None, js=SHOW_STATUS, **private)
        self.preview.click(
            errors_as_messages(self._preview),
            inputs,
            [results.tabs, results.preview_clip, results.status],
            concurrency_id="preview",
            show_progress_on=[results.preview_clip],
            **private,
        )
        self.gallery.select(None, None, None, js=SHOW_STATUS, **private)
        chosen = [controls[name] for name in ("source", "driving", "relative", "motion")]
        self.gallery.select(
            self._choose_example,
            None,
            [*chosen, results.status, results.tabs, *results.of_jobs[2:]],
            show_progress="hidden",
            **private,
        )
        self._connect_uploads({"show_progress": "hidden", **private})

    def _connect_uploads(self, quiet: dict[str, Any]) -> None:
        """What follows new files, another kind of source, and options that cost time."""
        inputs, controls, boxes = self.controls.all(), self.controls, self.vision.boxes
        source = controls["source"]
        # The number of frames may have changed before: what is chained takes the new one.
        estimate_of = errors_as_messages(self._estimate), inputs, [self.estimate]
        kind = controls["kind"]
        shown = source.change(*self._seen("source"), **quiet)
        shown.failure(*self._unseen("source"), **quiet)
        shown.success(*estimate_of, **quiet)
        shown.success(errors_as_messages(self._prepare), [source, kind], None, concurrency_id="preview", **quiet)
        lengthy = [kind, controls["clip"], controls["driving"]]
        length_of = errors_as_messages(self._new_length), lengthy, [controls["frames"]]
        for name in ("clip", "driving"):  # a video that cannot be read is complained about once
            field = controls[name]
            length = field.change(*length_of, **quiet)
            length.failure(*self._unseen(name), **quiet)
            length.success(*estimate_of, **quiet)
            length.success(*self._seen(name), **quiet)
        begun = controls["clip_start"].change(*self._seen("clip"), trigger_mode="always_last", **quiet)
        begun.failure(*self._unseen("clip"), **quiet)
        for name, panel in (("source", self.group), ("clip", self.clip_group)):
            panel.follow(boxes[name], self.vision.uploads[name], partial(self.vision.image, name))
        for change in (boxes["source"].change, kind.change):
            change(errors_as_messages(self._note_faces), [boxes["source"], kind], [self.faces_note], **quiet)
        of_clip = [kind, boxes["clip"]]
        boxes["clip"].change(errors_as_messages(self._choose_faces), of_clip, self._of_faces(), **quiet)
        of_kind = [*self._of_faces(), *self._of_kind()]
        chosen = kind.change(errors_as_messages(self._choose_kind), of_clip, of_kind, **quiet)
        chosen.then(*length_of, **quiet).then(*estimate_of, **quiet)
        costly = ("motion", "quality", "frames", "start", "end", "clip_start", "clip_end", "take", "driver_end")
        changes = ("eye_contact", "blink", "mouth", "still_when_silent", "sound", "drivers", "clip_drivers", "seconds")
        for name in (*costly, *changes):
            controls[name].change(*estimate_of, **quiet)

    def _seen(self, kind: str) -> tuple:
        show, filled = self.vision.shows(kind)
        return show, self.vision.uploads[kind], filled

    def _unseen(self, kind: str) -> tuple:
        forget, emptied = self.vision.forgets(kind)
        return forget, None, emptied

    def _of_faces(self) -> list:
        """What `_choose_faces` fills, in its order."""
        return [self.clip_group_part, self.controls["motion"], self.vision.shown["clip"]]

    def _of_kind(self) -> list:
        """What `_choose_kind` fills after that, in its order."""
        controls, results = self.controls, self.results
        names = ("output", "match_colour", "keep_sound", "sound", "seconds")
        parts = [self.group_part, self.example_part, self.clip_changes, self.end_row, self.clip_part, self.preview]
        shown = [self.crop.fold, self.vision.fold, self.vision.shown["source"]]
        return [
            self.photo_column,
            self.clip_column,
            *(controls[name] for name in names),
            *parts,
            *shown,
            results.preview_tab,
            results.stage,
            results.full_tab,
            results.full,
            results.save_full,
            results.status,
        ]

    def _choose_faces(self, kind: str, boxes: list) -> tuple:
        """Show the faces of a clip with several, in place of what is for one alone."""
        has_several = kind == CLIP and len(boxes) >= OF_CLIP.fewest
        motion = gr.Dropdown(visible=kind != GROUP and not has_several, info=MOTION_INFO[kind])
        return gr.update(visible=has_several), motion, gr.update(visible=kind == CLIP and not has_several)

    def _choose_kind(self, kind: str, boxes: list) -> tuple:
        """Show what belongs to a kind of source, and hide the rest."""

        def only(*kinds: str) -> Any:
            return gr.update(visible=kind in kinds)

        has_outputs = len(self.context.model.outputs) > 1
        whole = WHOLE_LABELS[kind]
        return (
            *self._choose_faces(kind, boxes),
            only(PHOTO, GROUP),
            only(CLIP),
            gr.update(visible=kind == PHOTO and has_outputs),
            only(PHOTO),
            only(PHOTO, GROUP),
            only(CLIP),
            only(GROUP),
            only(GROUP),
            only(PHOTO),
            only(CLIP),
            only(CLIP, GROUP),
            only(CLIP),
            only(PHOTO),
            gr.update(visible=kind == PHOTO and self.context.model.can_change_crops),
            only(PHOTO, CLIP),
            only(PHOTO),
            gr.Tab(interactive=kind == PHOTO),
            gr.Image(label=STAGE_LABELS[kind]),
            gr.Tab(label=whole),
            gr.Video(label=whole),
            gr.DownloadButton(f"Save {whole.lower()}"),
            ready_html(note=READY_NOTES[kind]),
        )

    def _note_faces(self, boxes: list, kind: str) -> Any:
        """Say that there is more than one face, as only the largest moves else."""
        text = f"{len(boxes)} faces found; the largest moves. To move more of them, choose “{KINDS[2][0]}” above."
        return gr.HTML(text, visible=kind == PHOTO and len(boxes) > 1)

    def _choose_example(self, chosen: gr.SelectData) -> tuple:
        """Fill in an example together with its kept result."""
        example = EXAMPLES[chosen.index]
        side, full = str(example.side_by_side), str(example.full_frame)
        status = ready_html(example.title, KEPT + (" Relative motion is on." if example.relative else ""))
        saves = [gr.DownloadButton(value=path, interactive=True) for path in (side, full)]
        given = str(example.source), str(example.driving), example.relative, AS_THE_VIDEO
        return *given, status, gr.Tabs(selected="side"), side, full, *saves

    def _new_length(self, kind: str, clip: str | None, driving: str | None) -> Any:
        """Set the number of frames to that of the video that sets the length.

        The slider's end stays: an estimate that is on its way with the number of before would lie beyond a new one.
        """
        limits, ruling = self.context.limits, None
        if kind == CLIP and clip:
            ruling = check_video(clip, limits, name="source clip")
        driver = check_video(driving, limits) if driving else None
        ruling = driver if kind == PHOTO else ruling
        most = min((ruling and ruling.frame_count) or limits.frames, limits.frames)
        return gr.Slider(value=most)

    def _estimate(self, data: dict) -> str:
        """Say how long the job would take, before it is begun."""
        values = self.controls.values(data)
        try:
            job = video_job(self.context, values, NOWHERE)
        except ValueError:  # told when the file came, or when the job is begun
            return estimate_html()
        clip = job.source if isinstance(job, ClipJob) else job.driving if isinstance(job, AnimateJob) else None
        of_frames = clip and clip.frame_count
        return estimate_html(estimate(self.context.model, job), job.total, of_frames, self.context.limits)

    def _run(self, data: dict, request: gr.Request) -> Iterator[dict]:
        """Render; every update shows what is new."""
        values = self.controls.values(data)
        job = video_job(self.context, values, NOWHERE)
        check_time(estimate(self.context.model, job), job.total, self.context.limits)
        job = job.in_folder(self.context.sessions.new_folder(request.session_hash))
        for progress in self.context.animate(job):
            self.context.sessions.keep(request.session_hash)
            yield self._show(progress)

    def _prepare(self, source: str | None, kind: str) -> None:
        """Read the photo while the visitor looks for a video, so that a preview begins at once."""
        if kind == PHOTO and source:
            self.context.previews.source(check_photo(source, self.context.limits))

    def _preview(self, data: dict, request: gr.Request) -> Iterator[tuple]:
        """A small clip of the first seconds, by geometry, before the job is begun."""
        job = video_job(self.context, self.controls.values(data), NOWHERE)
        yield gr.Tabs(selected="preview"), None, ready_html("Preview", PREVIEW_BEGUN)
        started = time.perf_counter()
        path = self.context.previews.write_clip(job.in_folder(self.context.sessions.new_folder(request.session_hash)))
        note = f"{PREVIEW_TITLE}; made in {time.perf_counter() - started:.1f} s. Press Animate for the result."
        yield gr.skip(), str(path), ready_html("Preview", note)

    def _show(self, progress: JobProgress) -> dict:
        if progress.stage in ("done", "stopped", "broken"):
            return self.results.finished(progress) | self.buttons.idle()
        return self.results.frame(progress) | self.buttons.running()
