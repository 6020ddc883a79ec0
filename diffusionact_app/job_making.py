"""From the values of the page's controls, by their names, to jobs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from diffusionact import PoseOptions
from diffusionact.face.geometry.crop_change import UNCHANGED
from diffusionact.face.pose.editing import PoseMix
from diffusionact.pipelines.group_clip import OWN, ClipCast
from diffusionact.pipelines.group_drivers import ALL
from diffusionact.pipelines.source_video import FrameEdit
from diffusionact.video import FrameSource

from .animation import AnimateJob
from .checks import check_frames, check_photo, check_video
from .clip_job import ClipJob, taken
from .context import Context
from .crop_panel import crop_change
from .group_clip_job import GroupClipJob
from .group_job import GroupJob
from .group_panel import OWN_VIDEO, STILL, VIDEO
from .motions import AS_THE_VIDEO, MotionClip, motion_clip
from .rendering import VideoJob
from .scene_panels import first_frame
from .source_kinds import CLIP, GROUP, PHOTO


def video_job(context: Context, values: dict[str, Any], folder: Path) -> VideoJob:
    """The job that the Animate tab's controls describe.

    Raises:
        ValueError: if an upload is absent or unusable, or an option is out of range.
    """
    if values["kind"] == CLIP:
        make = make_group_clip_job if values["clip_drivers"] else make_clip_job
        return make(context, values, folder)
    if values["kind"] == GROUP:
        return make_group_job(context, values, folder)
    source = check_photo(values["source"], context.limits)
    return make_job(context, values, source, photo_driver(context, values), folder)


def photo_driver(context: Context, values: dict[str, Any]) -> FrameSource | MotionClip:
    """What drives a photo: the video, or the chosen motion in its place.

    Raises:
        ValueError: as for `check_video`.
    """
    if values["motion"] != AS_THE_VIDEO:
        return motion_clip(values["motion"], context.limits.frames)
    return check_video(values["driving"], context.limits, values["start"], values["end"])


def make_job(context: Context, values: dict[str, Any], source: Path, clip: Any, folder: Path) -> AnimateJob:
    """A photo and what drives it.

    Raises:
        ValueError: if an option is out of range.
    """
    return AnimateJob(
        source=source,
        driving=clip,
        source_face=values["source_face"],
        source_crop=crop_change(values, "source"),
        match_colour=values["match_colour"],
        keep_sound=values["keep_sound"],
        output=values.get("output", context.model.outputs[0]),
        **_shared(context, values, folder),
    )


def make_clip_job(context: Context, values: dict[str, Any], folder: Path) -> ClipJob:
    """A clip, and what becomes of one of its faces.

    Raises:
        ValueError: if a clip is absent or unusable, an option is out of range, or nothing would change.
    """
    source = source_clip(context, values)
    motion = None if values["motion"] == AS_THE_VIDEO else values["motion"]
    driving = None
    if motion is None and values["driving"]:
        driving = check_video(values["driving"], context.limits, values["start"], values["end"], rate=source.frame_rate)
    if motion is None and driving is None and not _changes(values):
        raise ValueError(
            "Expected something to change in the clip, received neither driver nor motion. Upload a driving video, "
            "choose a motion, or move Eye contact, Blinks or Mouth."
        )
    return ClipJob(
        source=source,
        driving=driving,
        motion=motion,
        source_face=values["clip_face"],
        mix=PoseMix() if driving is None else taken(values["take"]),
        **_of_clips(context, values, folder),
    )


def make_group_clip_job(context: Context, values: dict[str, Any], folder: Path) -> GroupClipJob:
    """A clip, and what becomes of several of its faces.

    Raises:
        ValueError: if a clip is absent or unusable, an option is out of range, or nothing would change.
    """
    source = source_clip(context, values)
    # Whom no video drives may still look into the camera.
    drivers, paths = _drivers(values, "clip_drivers", OWN if _changes(values) else None)
    if not _changes(values) and not set(drivers.values()) - {OWN}:
        raise ValueError(
            "Expected something to change in the clip, received no driver for any face. Upload a driving video, "
            "click a face and choose a motion for it, or move Eye contact, Blinks or Mouth."
        )
    if not drivers:
        raise ValueError("Expected a face to change, received none. Click one and choose what it does.")
    cast = ClipCast({face: name for face, name in drivers.items() if face != ALL}, drivers.get(ALL))
    return GroupClipJob(
        source=source,
        cast=cast,
        clips=_clips(context, values, paths, source.frame_rate),
        mix=taken(values["take"]) if paths else PoseMix(),
        face_count=len(cast.by_face) if cast.others is None else _face_count(context, source),
        **_of_clips(context, values, folder),
    )


def source_clip(context: Context, values: dict[str, Any]) -> FrameSource:
    """The clip that is changed, opened.

    Raises:
        ValueError: as for `check_video`.
    """
    return check_video(values["clip"], context.limits, values["clip_start"], values["clip_end"], "source clip")


def make_group_job(context: Context, values: dict[str, Any], folder: Path) -> GroupJob:
    """A photo, and what each of its faces does.

    Raises:
        ValueError: if an upload is unusable, an option is out of range, or no face has a driver.
    """
    source = check_photo(values["source"], context.limits)
    drivers, paths = _drivers(values, "drivers")
    if not drivers:
        raise ValueError(
            "Expected a driver for at least one face, received none. Upload a driving video, or click a face and "
            "choose a motion for it."
        )
    return GroupJob(
        source=source,
        drivers=drivers,
        clips=_clips(context, values, paths),
        seconds=values["seconds"] or 0,
        driver_end=values["driver_end"],
        keep_sound=values["keep_sound"],
        **_shared(context, values, folder),
    )


def _drivers(values: dict[str, Any], name: str, without_video: str | None = None) -> tuple[dict[Any, str], list[str]]:
    """Face -> the file or motion that drives it, of those that change, and the files, each once.

    Args:
        values: of the controls.
        name: of the control that says what each face does.
        without_video: what stands for the driving video where there is none.
    """
    drivers: dict[Any, str] = {}
    paths: dict[str, None] = {}
    for face, (what, own) in values[name].items():
        path = {VIDEO: values["driving"], OWN_VIDEO: own}.get(what)
        driver = path or {VIDEO: without_video, OWN_VIDEO: None, STILL: None}.get(what, what)
        drivers |= {face: driver} if driver else {}
        paths |= {path: None} if path else {}
    return drivers, list(paths)


def _clips(
    context: Context, values: dict[str, Any], paths: list[str], rate: Fraction | None = None
) -> dict[str, FrameSource]:
    """Opened, all at a rate, or the first one's; start and end are those of the driving video, and of it alone."""
    clips: dict[str, FrameSource] = {}
    for path in paths:
        part = (values["start"], values["end"]) if path == values["driving"] else (0, 0)
        clips[path] = check_video(path, context.limits, *part, rate=rate, is_constant=True)
        rate = clips[path].frame_rate
    return clips


def _face_count(context: Context, source: FrameSource) -> int:
    """Faces in a clip's first frame; at least one, as they may come later."""
    return max(1, len(context.model.face_boxes(first_frame(source, context.limits.output_side_px))))


def _edit(values: dict[str, Any]) -> FrameEdit:
    """What is changed of a clip besides."""
    return FrameEdit(values["eye_contact"], values["blink"], values["mouth"])


def _changes(values: dict[str, Any]) -> bool:
    """Whether a clip changes without any driver."""
    return values["still_when_silent"] or _edit(values) != FrameEdit()


def _of_clips(context: Context, values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What both kinds of jobs have whose source is a clip."""
    own = {name: values[name] for name in ("driver_end", "still_when_silent", "sound")}
    return own | {"edit": _edit(values)} | _shared(context, values, folder)


def _shared(context: Context, values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What all kinds of jobs have."""
    return {
        "folder": folder,
        "options": PoseOptions(
            face=values["driving_face"],
            missing=values["missing"],
            driver_crop="clip" if values["carry_roll"] else "frame",
            relative=values["relative"],
            expression_gain=values["expression_gain"],
            smoothing=values["smoothing"],
            crop_change=crop_change(values, "driving") if values["kind"] == PHOTO else UNCHANGED,
        ),
        "sampling": context.model.sampling(values["quality"]),
        "frames": check_frames(values["frames"], context.limits),
        "feather": values["feather"],
        "output_side_px": context.limits.output_side_px,
    }
