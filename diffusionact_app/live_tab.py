"""The Live tab: the visitor's camera moves a photo, frame by frame."""

from __future__ import annotations

from typing import Any

import gradio as gr

from diffusionact.images import PROVENANCE
from diffusionact.live import SIZES

from .checks import check_photo
from .context import Context
from .examples import EXAMPLES
from .live_sessions import LiveSessions, as_frame
from .messages import errors_as_messages
from .status import line_html
from .uploads import example_photos, photo_upload

# The browser sends at most so many frames per second; those that come while one is rendered are dropped.
FRAMES_PER_SECOND = 12
# Enough for a face at a desk, and quick to draw, pack and send; phones and small computers feel it.
CAMERA = {"video": {"width": {"ideal": 400}, "height": {"ideal": 300}, "frameRate": {"ideal": 24}}}
READY = "Allow the camera below, then press Start under its image."
RECORD, FINISH = "Record to a file", "Finish the file"
NOT_RUNNING = "Expected a running camera, received none. Start the camera first."
ON_A_LEASE = "Live needs a machine of its own: here every frame would wait for a lent GPU. Run the app at home for it."
STAGE = f"""
<figure class="live-figure"><img alt="The photo, moved by your camera" hidden>
<div class="live-empty">The moving photo appears here.</div>
<figcaption>{PROVENANCE}</figcaption></figure>
<div class="status-line"><strong class="live-rate">&ndash; frames/s</strong>
<span class="live-delay"></span> <span class="live-recorded"></span></div>
<div class="live-note" role="status" aria-live="polite"></div>
"""
# Frames per second are counted where they are seen. Delay: from the sending of the camera frame, which the browser's
# own timing of requests knows, to its result; `milliseconds` tells which of the frames it was.
SHOW_FRAMES = r"""
const sent = [], shown = [];
new PerformanceObserver(list => {
  for (const entry of list.getEntries())
    if (/\/stream\/[^/]+$/.test(entry.name)) sent.push([entry.startTime, entry.responseEnd]);
  sent.splice(0, Math.max(0, sent.length - 100));
}).observe({type: 'resource', buffered: false});
const put = (name, text) => {
  const place = element.querySelector('.live-' + name);
  if (place && place.textContent !== text) place.textContent = text;
};
watch('value', () => {
  const value = props.value, now = performance.now();
  if (!value) return;
  const image = element.querySelector('img');
  image.hidden = !value.src;
  element.querySelector('.live-empty').hidden = !!value.src;
  put('note', value.note);
  put('recorded', value.recorded === null ? '' : `recording ${Math.floor(value.recorded)} s`);
  if (!value.src) return;
  image.src = value.src;
  if (!shown.length) document.querySelector('#hero-clip video')?.pause();  // the processor is needed here
  const taken = sent.filter(([_, ended]) => ended <= now - value.milliseconds + 5).pop();
  shown.push([now, taken ? now - taken[0] : value.milliseconds]);
  while (now - shown[0][0] > 3000) shown.shift();
  const seconds = (now - shown[0][0]) / 1000;
  if (seconds < 0.5) return;
  const delay = shown.reduce((sum, [_, each]) => sum + each, 0) / shown.length;
  put('rate', `${((shown.length - 1) / seconds).toFixed(1)} frames/s`);
  put('delay', `${delay.toFixed(0)} ms delay`);
});
"""


class LiveTab:
    """Builds the tab inside the current `gr.Blocks` and connects it.

    Args:
        context: what all tabs share.
        is_lent: the GPU is lent for every call, so that nothing can be live.
    """

    def __init__(self, context: Context, is_lent: bool = False):
        self.context = context
        self.live = LiveSessions(context.model, context.sessions, context.limits.live_seconds)
        if is_lent:
            gr.Markdown(ON_A_LEASE)
            return
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self._inputs()
            with gr.Column(scale=6, min_width=300):
                self._outputs()
        self._connect()

    def _inputs(self) -> None:
        with gr.Row():
            self.photo = photo_upload(
                label="Photo", sources=["upload", "clipboard"], height=210, elem_id="live-photo", buttons=[]
            )
            with gr.Column(min_width=140):
                self.faces = example_photos("Or one of these:", "live-faces", height=130)
        self.status = gr.HTML(line_html("Ready", "Choose a photo."), elem_id="live-status")
        self.camera = gr.Image(
            label="Your camera",
            sources=["webcam"],
            streaming=True,
            type="numpy",
            height=300,
            webcam_options=gr.WebcamOptions(mirror=True, constraints=CAMERA),
            buttons=[],
            elem_id="live-camera",
        )
        with gr.Accordion("Options", open=False), gr.Row():
            self.size = gr.Radio([str(size) for size in SIZES], value="256", label="Size, px", elem_id="live-size")
            self.smoothing = gr.Slider(0.0, 1.0, value=0.3, step=0.05, label="Smoothing", info="More is later.")

    def _outputs(self) -> None:
        self.stage = gr.HTML(None, html_template=STAGE, js_on_load=SHOW_FRAMES, elem_id="live-stage")
        with gr.Row():
            self.calibrate = gr.Button("Calibrate", variant="primary", elem_id="live-calibrate")
            self.record = gr.Button(RECORD, elem_id="live-record")
        self.save = gr.DownloadButton("Save the video", interactive=False, size="md", elem_id="live-save")

    def _connect(self) -> None:
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        limits = self.context.limits
        choices = [self.photo, self.size, self.smoothing]
        choose, ended = errors_as_messages(self._choose), errors_as_messages(self._ended)
        for control in choices:
            control.change(choose, choices, [self.status], concurrency_id="edit", **quiet)
        self.faces.select(self._choose_face, None, [self.photo], **quiet)
        self.camera.stream(
            errors_as_messages(self._step),
            [self.camera],
            [self.stage],
            stream_every=1 / FRAMES_PER_SECOND,
            time_limit=limits.live_seconds,
            concurrency_id="live",
            concurrency_limit=limits.live_at_once,
            **quiet,
        ).then(ended, [self.save], [self.record, self.save], queue=False, **quiet)
        at_once = quiet | {"concurrency_limit": None}
        self.calibrate.click(errors_as_messages(self._calibrate), None, None, **at_once)
        self.record.click(errors_as_messages(self._record), [self.save], [self.record, self.save], **at_once)

    def _choose_face(self, chosen: gr.SelectData) -> str:
        return str(EXAMPLES[chosen.index].source)

    def _choose(self, photo: str | None, size: str, smoothing: float, request: gr.Request) -> str:
        path = None if photo is None else check_photo(photo, self.context.limits)
        self.live.choose(request.session_hash, path, int(size), smoothing)
        return line_html("Ready", "Choose a photo." if path is None else READY)

    def _step(self, pixels: Any, request: gr.Request) -> Any:
        return gr.skip() if pixels is None else self.live.step(request.session_hash, as_frame(pixels))

    def _calibrate(self, request: gr.Request) -> None:
        if not self.live.calibrate(request.session_hash):
            raise ValueError(NOT_RUNNING)

    def _record(self, saved: Any, request: gr.Request) -> tuple:
        session = request.session_hash
        if self.live.is_recording(session):
            return gr.Button(RECORD), self._saved(self.live.stop_recording(session))
        if not self.live.start_recording(session):
            raise ValueError(NOT_RUNNING)
        return gr.Button(FINISH), gr.DownloadButton(interactive=False)

    def _ended(self, saved: Any, request: gr.Request) -> tuple:
        """The camera was stopped, or its time is up."""
        return gr.Button(RECORD), self._saved(self.live.rest(request.session_hash))

    def _saved(self, path: Any) -> Any:
        return gr.skip() if path is None else gr.DownloadButton(value=str(path), interactive=True)

    def forget(self, session: str) -> None:
        """Drop what is kept of a session."""
        self.live.close(session)
