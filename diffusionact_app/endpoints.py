"""The documented API: the same work as the tabs, with few plain arguments. `docs/app.md` shows calls."""

from __future__ import annotations

from collections import deque
from typing import Any

import gradio as gr

from diffusionact.face.pose.editing import PoseEdit
from diffusionact.images import model_to_uint8, save_png

from .checks import check_photo, check_time, check_video
from .context import Context
from .crop_panel import CROP_DEFAULTS
from .edit_tab import NAMES
from .job_making import make_job
from .messages import errors_as_messages
from .motions import AS_THE_VIDEO
from .source_kinds import PHOTO
from .uploads import photo_upload

# What the page's options are set to at first.
DEFAULTS: dict[str, Any] = {
    "source_face": "largest", "driving_face": "follow", "missing": "interpolate", "carry_roll": False,
    "expression_gain": 1.0, "smoothing": 0.3, "feather": 0.1, "match_colour": False, "keep_sound": True,
    "start": 0, "end": 0, "motion": AS_THE_VIDEO, "kind": PHOTO, "clip": None, "clip_face": "largest",
    "clip_start": 0, "clip_end": 0, "take": ["expression"], "driver_end": "stop", "sound": "auto", "eye_contact": 0.0,
    "blink": 1.0, "mouth": 1.0, "still_when_silent": False, "drivers": {}, "clip_drivers": {}, "seconds": 0,
    **CROP_DEFAULTS,
}  # fmt: skip


def add_endpoints(context: Context) -> None:
    """Hidden components that carry the API's types, and its two calls."""
    model = context.model

    def animate(source: str, driving: str, quality: str, frames: float, relative: bool, request: gr.Request) -> tuple:
        """Animate a photo with a video; returns the side-by-side and the full-frame video."""
        image, clip = check_photo(source, context.limits), check_video(driving, context.limits)
        values = DEFAULTS | {"quality": quality, "frames": frames or context.limits.frames, "relative": relative}
        job = make_job(context, values, image, clip, context.sessions.new_folder(request.session_hash or ""))
        check_time(model.estimate(job.total, job.sampling), job.total, context.limits)
        progress = deque(context.animate(job), maxlen=1).pop()
        return str(progress.side_by_side), str(progress.full_frame)

    def edit(source: str, sliders: dict, request: gr.Request) -> str:
        """Move sliders on a photo; returns the aligned face. Sliders: names and values of the Edit tab."""
        if not isinstance(sliders, dict) or not all(isinstance(value, (int, float)) for value in sliders.values()):
            raise ValueError(
                f'Expected sliders as {{"smile": 0.8, ...}}, received {sliders!r}. Give names and numbers.'
            )
        unknown = set(sliders) - set(NAMES)
        if unknown:
            raise ValueError(
                f"Expected sliders among {', '.join(NAMES)}, received {', '.join(sorted(unknown))}. Leave these out."
            )
        sampling = model.sampling(model.default_quality)
        edited = context.edit(check_photo(source, context.limits), "largest", PoseEdit(**sliders), sampling)
        path = context.sessions.new_folder(request.session_hash or "") / "edited.png"
        save_png(path, model_to_uint8(edited.after)[0])
        return str(path)

    with gr.Group(visible=False):
        source = photo_upload(label="source")
        driving = gr.Video(label="driving")
        quality = gr.Radio(list(model.presets), value=model.default_quality, label="quality")
        frames = gr.Number(value=context.limits.frames, minimum=1, label="frames")
        relative = gr.Checkbox(False, label="relative")
        sliders = gr.JSON({}, label="sliders")
        side, full = gr.Video(label="side_by_side"), gr.Video(label="full_frame")
        image = gr.Image(type="filepath", label="edited", format="png")
        gr.Button().click(
            errors_as_messages(animate),
            [source, driving, quality, frames, relative],
            [side, full],
            api_name="animate",
            concurrency_id="render",
        )
        gr.Button().click(errors_as_messages(edit), [source, sliders], [image], api_name="edit", concurrency_id="edit")
