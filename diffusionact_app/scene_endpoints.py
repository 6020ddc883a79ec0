"""The documented API for whole scenes: a clip as the source, and several faces of a photo or clip; see docs/app.md."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import gradio as gr

from diffusionact.images import load_image
from diffusionact.motion import PRESETS
from diffusionact.pipelines.group_clip import OWN, ClipCast
from diffusionact.pipelines.group_drivers import ALL, wanted_faces

from .checks import check_photo, check_time
from .context import Context
from .endpoints import DEFAULTS
from .group_panel import OWN_VIDEO
from .job_making import source_clip, video_job
from .messages import errors_as_messages
from .motions import AS_THE_VIDEO
from .rendering import estimate
from .scene_panels import first_frame
from .source_kinds import CLIP, GROUP
from .uploads import photo_upload

# Options by their names in the command -> names of the page's controls.
SHARED_NAMES = {name: name for name in ("start", "end", "relative", "smoothing", "driver_end")}
SHARED_OPTIONS = SHARED_NAMES | {"gain": "expression_gain"}
CLIP_NAMES = {name: name for name in ("take", "sound", "eye_contact", "blink", "mouth", "still_when_silent")}
CLIP_OPTIONS = SHARED_OPTIONS | CLIP_NAMES | {"source_start": "clip_start", "source_end": "clip_end"}
GROUP_OPTIONS = SHARED_OPTIONS | {"seconds": "seconds", "keep_sound": "keep_sound"}
DRIVERS = ("driving_1", "driving_2", "driving_3")


def add_scene_endpoints(context: Context) -> None:
    """Hidden components that carry the API's types, and its calls for scenes."""

    model = context.model

    def rendered(values: dict[str, Any], request: gr.Request) -> tuple[str, str]:
        folder = context.sessions.new_folder(request.session_hash or "")
        job = video_job(context, values, folder)
        check_time(estimate(context.model, job), job.total, context.limits)
        progress = deque(context.animate(job), maxlen=1).pop()
        return str(progress.side_by_side), str(progress.full_frame)

    def animate_clip(
        source: str, driving: str | None, motion: str, options: dict, quality: str, frames: float, request: gr.Request
    ) -> tuple:
        """Change a clip: by a driving video, a bundled motion, or options such as eye_contact alone.

        Returns the side-by-side and the full-frame video. Options: names and values of `diffusionact reenact`.
        """
        if motion and motion not in PRESETS:
            raise ValueError(f"Expected a motion among {', '.join(PRESETS)}, received {motion!r}. Choose another.")
        values = _values(context, options, CLIP_OPTIONS, quality, frames)
        given = {"kind": CLIP, "clip": source, "driving": driving, "motion": motion or AS_THE_VIDEO}
        return rendered(values | given, request)

    def animate_group(
        source: str,
        drive: dict,
        driving_1: str | None,
        driving_2: str | None,
        driving_3: str | None,
        options: dict,
        quality: str,
        frames: float,
        request: gr.Request,
    ) -> tuple:
        """Move several faces of a photo, each as its own video or motion.

        Returns the side-by-side and the full-frame video. Drive: {face: what}, with a number (0 is the largest), a
        point "x,y" or "all" as the face, and driving_1 to driving_3 or a bundled motion as what it does.
        """
        clips = dict(zip(DRIVERS, (driving_1, driving_2, driving_3), strict=True))
        image = load_image(check_photo(source, context.limits))
        wanted = wanted_faces(model.looking_pipeline, image, _words(drive, clips, PRESETS))
        values = _values(context, options, GROUP_OPTIONS, quality, frames)
        given = {"kind": GROUP, "source": source, "driving": driving_1, "drivers": _drivers(wanted, clips)}
        return rendered(values | given, request)

    def animate_group_clip(
        source: str,
        drive: dict,
        driving_1: str | None,
        driving_2: str | None,
        driving_3: str | None,
        options: dict,
        quality: str,
        frames: float,
        request: gr.Request,
    ) -> tuple:
        """Change several faces of a clip, each as its own video or motion.

        Returns the side-by-side and the full-frame video. Drive: as for animate_group, in the first frame of the
        result; "own" as what a face does keeps its own motion, for options such as eye_contact.
        """
        clips = dict(zip(DRIVERS, (driving_1, driving_2, driving_3), strict=True))
        words = _words(drive, clips, (OWN, *PRESETS))
        values = _values(context, options, CLIP_OPTIONS, quality, frames) | {"clip": source}
        first = first_frame(source_clip(context, values), context.limits.output_side_px)
        cast = ClipCast.of(model.looking_pipeline, first, words)
        wanted = {**cast.by_face, **({} if cast.others is None else {ALL: cast.others})}
        given = {"kind": CLIP, "driving": driving_1, "clip_drivers": _drivers(wanted, clips)}
        return rendered(values | given, request)

    with gr.Group(visible=False):
        clip, photo = gr.Video(label="source"), photo_upload(label="source")
        drivers = [gr.Video(label=name) for name in ("driving", *DRIVERS)]
        motion, drive = gr.Textbox("", label="motion"), gr.JSON({}, label="drive")
        options = gr.JSON({}, label="options")
        quality = gr.Radio(list(model.presets), value=model.default_quality, label="quality")
        frames = gr.Number(value=context.limits.frames, minimum=1, label="frames")
        made = [gr.Video(label="side_by_side"), gr.Video(label="full_frame")]
        for call, inputs in (
            (animate_clip, [clip, drivers[0], motion, options, quality, frames]),
            (animate_group, [photo, drive, *drivers[1:], options, quality, frames]),
            (animate_group_clip, [clip, drive, *drivers[1:], options, quality, frames]),
        ):
            gr.Button().click(errors_as_messages(call), inputs, made, api_name=call.__name__, concurrency_id="render")


def _values(
    context: Context, options: dict | None, names: dict[str, str], quality: str, frames: float
) -> dict[str, Any]:
    """The page's values, with the given options in their place.

    Raises:
        ValueError: if there is no such option, or a value is of another kind.
    """
    options = {} if options is None else options
    if not isinstance(options, dict) or set(options) - set(names):
        raise ValueError(f"Expected options among {', '.join(names)}, received {options!r}. Correct the names.")
    values = DEFAULTS | {"relative": False, "quality": quality, "frames": frames or context.limits.frames}
    for name, value in options.items():
        kinds = {"take": (str, list)}.get(name, _kinds(values[names[name]]))
        if not isinstance(value, kinds):
            raise ValueError(f"Expected {name} such as {values[names[name]]!r}, received {value!r}. Correct it.")
        values[names[name]] = value
    if isinstance(values["take"], str):
        values["take"] = [word.strip() for word in values["take"].split(",")]
    return values


def _kinds(default: Any) -> tuple[type, ...]:
    """Types of a value: booleans are no numbers."""
    return (type(default),) if isinstance(default, (bool, str)) else (int, float)


def _words(drive: dict, clips: dict[str, str | None], others: Iterable[str]) -> list[str]:
    """FACE=WHAT for each face; WHAT names nothing but what was sent along and `others`.

    Raises:
        ValueError: if it does, or there is no face.
    """
    if not isinstance(drive, dict) or not drive:
        raise ValueError(f'Expected drive as {{"0": "laugh", ...}}, received {drive!r}. Name a face and what it does.')
    known = [*(name for name, path in clips.items() if path), *others]
    wrong = [what for what in drive.values() if what not in known]
    if wrong:
        raise ValueError(f"Expected faces to do one of {', '.join(known)}, received {wrong}. Choose one of these.")
    return [f"{face}={what}" for face, what in drive.items()]


def _drivers(wanted: dict[Any, str], clips: dict[str, str | None]) -> dict[Any, tuple[str, str | None]]:
    """What faces do, as the page's panel says it."""
    return {face: (OWN_VIDEO, clips[what]) if what in clips else (what, None) for face, what in wanted.items()}
